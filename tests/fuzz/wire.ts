/** A socket of an attacker: it writes any bytes unchanged, and remembers the answer. */
import { connect, type Socket } from "node:net";

/** A server that neither answers nor closes within this time is suspicious, ms. */
const PATIENCE_MS = 20_000;
const MOST_REMEMBERED = 64 * 1024;

export interface Place {
  host: string;
  port: number;
}

export class Wire {
  /** The beginning of the answer. */
  received = Buffer.alloc(0);
  isClosed = false;
  private changed: () => void = () => {};

  private constructor(private readonly socket: Socket) {
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      if (this.received.length < MOST_REMEMBERED) this.received = Buffer.concat([this.received, chunk]);
      this.changed();
    });
    socket.on("close", () => {
      this.isClosed = true;
      this.changed();
    });
  }

  /** @param from the attackers' own address, so that limits by address strike attackers only */
  static async open({ host, port }: Place, from: string): Promise<Wire> {
    const socket = connect({ host, port, localAddress: from, noDelay: true });
    const wire = new Wire(socket);
    await new Promise<void>((resolve) => {
      socket.once("connect", resolve);
      socket.once("close", () => resolve());
    });
    return wire;
  }

  write(data: Uint8Array | string): void {
    if (!this.isClosed && this.socket.writable) this.socket.write(data);
  }

  /** Waits until `look` is true, the other side has closed, or the time is up. @returns false when the time is up */
  async until(look: () => boolean, ms = PATIENCE_MS): Promise<boolean> {
    const deadline = performance.now() + ms;
    while (!this.isClosed && !look()) {
      const left = deadline - performance.now();
      if (left <= 0) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return true;
  }

  /** Ends its own direction, and waits until the other side has closed, too. @returns false when the other side did not */
  async finish(): Promise<boolean> {
    this.socket.end();
    const isFinished = await this.until(() => false);
    this.socket.destroy();
    return isFinished;
  }

  /** Ends the connection with RST. */
  reset(): void {
    if (!this.isClosed) this.socket.resetAndDestroy();
  }
}
