/**
 * A device that is connected and sends nothing but its heartbeat. After a cut it comes back as the SDK does, takes the events
 * that it has missed, and checks that they are complete and in order.
 */
import { Backoff } from "@carillon/base";
import { Command, decodePayload, encodeFrame } from "@carillon/protocol";
import { LeanClient, type LeanSpec } from "@carillon/testkit";
import { DEVICE } from "../carillon/protocol";

export type Transport = "tcp" | "ws" | "udp";

export interface DeviceSpec extends Omit<LeanSpec, "deviceId"> {
  /** Whether the device asks for everything by SYNC when it is connected, as a device does that was away for long. */
  syncs?: boolean;
}

/** The delays of the SDK, before it connects again and before it repeats a SYNC that was refused. */
const BACKOFF = { first: 1_000, most: 30_000, jitter: "full" } as const;
const SYNC_BACKOFF = { first: 500, most: 10_000, jitter: "full" } as const;
const SYNC_REQUEST = 2;

export class Device extends LeanClient {
  /** Events that came since the device was cut off last. */
  caughtUp = 0;
  /** Whether the device has the last page of its SYNC, or asks for none. */
  isSynced = false;
  /** How often the device had to come again, because the gateway put it off or the connection failed. */
  retries = 0;

  private readonly backoff = new Backoff(BACKOFF);
  private readonly syncBackoff = new Backoff(SYNC_BACKOFF);
  private wanted = false;
  /** Counts connections, so that a delayed SYNC of an earlier one is dropped. */
  private connections = 0;

  constructor(
    private readonly device: DeviceSpec,
    private readonly events: {
      /** The device is connected, or has all that it asked for. */
      onConnected(): void;
      onEvent(): void;
      onRefused(why: string): void;
      onError(what: string): void;
    },
  ) {
    super({ ...device, deviceId: DEVICE });
  }

  /** Connects, again and again until the device is connected. */
  come(): void {
    this.wanted = true;
    this.connections++;
    this.connect();
  }

  /** Ends the connection at once; the device does not come back by itself. */
  override cut(): void {
    this.wanted = false;
    this.isSynced = false;
    this.caughtUp = 0;
    super.cut();
  }

  protected override onConnected(): void {
    this.backoff.reset();
    this.isSynced = this.device.syncs !== true;
    if (!this.isSynced) this.sync();
    this.events.onConnected();
  }

  protected override onEnd(why: string, wasConnected: boolean): void {
    if (wasConnected) this.onFault(why);
    if (this.wanted) this.again(this.backoff.next(), () => this.come());
  }

  /** A device passes over an event that it has. */
  protected override onRepeatedEvent(): void {}

  protected onFrame(command: number, requestId: number, bytes: Buffer, from: number, to: number): void {
    const payload = () => decodePayload(bytes.subarray(from, to));
    if (command === Command.SYNCED) this.takePage(payload());
    else if (command === Command.ERROR && requestId === SYNC_REQUEST) this.syncLater(payload());
    else if (command === Command.ERROR) this.putOff(payload());
    else if (command === Command.KICKED || command === Command.GOAWAY) this.refuse(payload());
  }

  protected onMessage(): void {
    this.caughtUp++;
    this.events.onEvent();
  }

  protected onFault(what: string): void {
    this.events.onError(`${this.device.userId}: ${what}`);
  }

  private again(delayMs: number, act: () => void): void {
    this.retries++;
    setTimeout(() => this.wanted && act(), delayMs);
  }

  private sync(cursor?: string): void {
    this.write(encodeFrame(Command.SYNC, SYNC_REQUEST, cursor === undefined ? {} : { cursor }));
  }

  private takePage({ more, cursor }: Record<string, unknown>): void {
    if (more === true) return this.sync(cursor as string);
    this.isSynced = true;
    this.syncBackoff.reset();
    this.events.onConnected();
  }

  /** The cluster says when; a device adds a random part that grows, as the SDK does. */
  private syncLater(error: Record<string, unknown>): void {
    const { connections } = this;
    if (!["BUSY", "RATE_LIMITED"].includes(String(error["name"]))) return this.refuse(error);
    const waitMs = this.syncBackoff.nextAfter(Number(error["retryAfterMs"] ?? 0));
    this.again(waitMs, () => this.connections === connections && this.isConnected && this.sync());
  }

  /** After BUSY, the device comes again with a new connection, as the SDK does. */
  private putOff(error: Record<string, unknown>): void {
    if (error["name"] !== "BUSY") return this.refuse(error);
    super.cut();
    this.again(this.backoff.nextAfter(Number(error["retryAfterMs"] ?? 0)), () => this.come());
  }

  /** The gateway ends a connection whose log-in it refuses, and the device tries again; it must not send a connected device away. */
  private refuse(why: Record<string, unknown>): void {
    if (this.isConnected) this.onFault(`sent away: ${JSON.stringify(why)}`);
    else this.events.onRefused(JSON.stringify(why));
  }
}
