/**
 * A load client of socket.io: WebSocket frames that hold engine.io packets (`0` open, `2` ping, `3` pong, `4` message),
 * and in its messages socket.io packets (`40` connect, `42` event, `43` acknowledgement).
 */
import type { LoadClientSpec, LoadConnection, LoadEvents, LoadProtocol } from "../../generator/load-protocol";
import { RawLink } from "../raw-link";
import { type Frame, FrameCutter, FrameWriter, Opcode, upgradeRequest } from "./websocket";

const END_OF_HEADERS = "\r\n\r\n";

class SocketIoClient implements LoadConnection {
  private readonly link: RawLink;
  private readonly cutter = new FrameCutter();
  private readonly writer = new FrameWriter();
  /** The answer to the upgrade so far; undefined when frames follow. */
  private answer: Buffer | undefined = Buffer.alloc(0);
  private readonly peer: string;
  private nextAckId = 0;
  private nextAccepted = 0;

  constructor(
    private readonly spec: LoadClientSpec,
    private readonly events: LoadEvents,
    private readonly onReady: (client: SocketIoClient) => void,
    private readonly onFailure: (error: Error) => void,
  ) {
    this.peer = JSON.stringify(spec.peerId);
    this.link = new RawLink(spec, {
      onOpen: () =>
        this.link.write(upgradeRequest(`${spec.host}:${spec.port}`, "/socket.io/?EIO=4&transport=websocket")),
      onData: (chunk) => this.read(chunk),
      onLost: (why) => this.fail(why),
    });
  }

  send(content: string): void {
    this.say(`42${this.nextAckId++}["message",${this.peer},${JSON.stringify(content)}]`);
  }

  close(): void {
    this.link.close(Buffer.concat([this.writer.text("41"), this.writer.close()]));
  }

  private read(chunk: Buffer): void {
    let frames = chunk;
    if (this.answer !== undefined) {
      const answer = Buffer.concat([this.answer, chunk]);
      const end = answer.indexOf(END_OF_HEADERS);
      this.answer = end < 0 ? answer : undefined;
      if (end < 0) return;
      const [status] = answer.toString("latin1").split("\r\n");
      if (!status!.startsWith("HTTP/1.1 101 ")) return this.fail(status!);
      frames = answer.subarray(end + END_OF_HEADERS.length);
    }
    for (const frame of this.cutter.push(frames)) this.receive(frame);
  }

  private receive({ opcode, payload }: Frame): void {
    if (opcode !== Opcode.TEXT) return this.fail(`a WebSocket frame with opcode ${opcode}`);
    const packet = payload.toString();
    if (packet.startsWith("42")) {
      this.events.onMessage((JSON.parse(packet.slice(2)) as [string, string])[1]);
    } else if (packet.startsWith("43")) {
      if (Number.parseInt(packet.slice(2), 10) !== this.nextAccepted++) this.fail("acknowledged out of order");
      this.events.onAccepted();
    } else if (packet.startsWith("40")) {
      this.onReady(this);
    } else if (packet === "2") {
      this.say("3");
    } else if (packet.startsWith("0")) {
      this.say(`40${JSON.stringify({ userId: this.spec.userId, secret: this.spec.secret })}`);
    } else {
      this.fail(`a socket.io packet ${packet.slice(0, 80)}`);
    }
  }

  private say(packet: string): void {
    this.link.write(this.writer.text(packet));
  }

  private fail(why: string): void {
    this.onFailure(new Error(`${this.spec.userId}: ${why}`));
    this.events.onError(why);
  }
}

export const protocol: LoadProtocol = {
  open: (spec, events) => new Promise((resolve, reject) => new SocketIoClient(spec, events, resolve, reject)),
};
