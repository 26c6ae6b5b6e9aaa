/** One connection to one gateway, from CONNECT to its end. It is never used again after that. */
import {
  CarillonError,
  CloseCode,
  Command,
  type ConnectedPayload,
  type ConnectPayload,
  commandName,
  type Frame,
  frameOf,
  type GoawayPayload,
  packPayload,
  readServerMessage,
  type ServerMessage,
} from "@carillon/protocol";
import { Heartbeat } from "./heartbeat";
import { ConnectionLost, Requests } from "./requests";
import type { Link } from "./transport";

/** How a connection ended: the close code where one was told. */
export interface Ended {
  code: number | undefined;
  reason: string;
}

const CONNECT_MS = 10_000;

export class GatewayConnection {
  /** Set when CONNECTED came. */
  connected: ConnectedPayload | undefined;
  /** Resolves when it has ended, for whatever reason. */
  readonly ended: Promise<Ended>;
  /** Resolves when the gateway asks to go elsewhere. */
  readonly goaway: Promise<GoawayPayload>;
  readonly #requests = new Requests();
  #heartbeat: Heartbeat | undefined;
  #end: (ended: Ended) => void = () => {};
  #sendAway: (goaway: GoawayPayload) => void = () => {};
  #kicked: Ended | undefined;
  #isEnded = false;
  /** Frames that have come. */
  #heard = 0;
  #onMessage: (message: ServerMessage) => void = () => {};
  #early: ServerMessage[] = [];

  constructor(private readonly link: Link) {
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.goaway = new Promise((resolve) => {
      this.#sendAway = resolve;
    });
    link.attach({ onFrame: (frame) => this.#receive(frame), onClosed: (code) => this.#closed(code) });
  }

  /**
   * Opens the session.
   * @returns CONNECTED, or the GOAWAY that the gateway answered instead
   * @throws CarillonError the refusal; ConnectionLost
   */
  async open(payload: ConnectPayload): Promise<ConnectedPayload | GoawayPayload> {
    const answer = await this.request(Command.CONNECT, payload, CONNECT_MS);
    if (answer.command === Command.GOAWAY) return answer.payload;
    if (answer.command !== Command.CONNECTED) throw new Error(`CONNECT was answered by command ${answer.command}`);
    this.connected = answer.payload;
    this.#heartbeat = new Heartbeat({
      heartbeatMs: answer.payload.heartbeatSeconds * 1_000,
      ping: () => this.send(Command.PING, {}),
      lost: () => this.close(CloseCode.HEARTBEAT_LOST, "the gateway does not answer any more"),
    });
    return answer.payload;
  }

  /** Hands over everything that is no answer, what came before included; from now on the session is in use. */
  listen(onMessage: (message: ServerMessage) => void): void {
    this.#onMessage = onMessage;
    for (const message of this.#early.splice(0)) onMessage(message);
  }

  /**
   * Sends a request and resolves with its answer.
   * @throws CarillonError when that is ERROR; NoAnswer when the server is heard and this is not answered; ConnectionLost
   */
  request(command: number, payload: object, timeoutMs: number): Promise<ServerMessage> {
    if (this.#isEnded) return Promise.reject(new ConnectionLost());
    let body: Uint8Array;
    try {
      body = packPayload(payload);
    } catch (error) {
      return Promise.reject(error);
    }
    const heard = this.#heard;
    const heartbeat = this.#heartbeat;
    // Without a heartbeat nobody else notices that the connection is dead.
    const isHeard = () => heartbeat === undefined || this.#heard > heard;
    const what = commandName(command) ?? `command ${command}`;
    const { requestId, answer } = this.#requests.add(what, timeoutMs, isHeard);
    try {
      this.#write(command, requestId, body);
      heartbeat?.asked();
    } catch (error) {
      // It is too large for a frame: nothing was sent, and nobody else may wait for an answer.
      this.#requests.fail(requestId, new CarillonError("FRAME_TOO_LARGE", (error as Error).message));
    }
    return answer;
  }

  /** Sends what has no answer. */
  send(command: number, payload: object): void {
    if (!this.#isEnded) this.#write(command, 0, packPayload(payload));
  }

  /** The network may have changed: the connection shall show that it is alive. */
  doubt(): void {
    if (!this.#isEnded) this.#heartbeat?.doubt();
  }

  /** Says good-bye and ends. Nothing that comes afterwards is looked at. */
  leave(): void {
    this.send(Command.DISCONNECT, {});
    this.close(undefined, "left");
  }

  close(code: number | undefined, reason: string): void {
    this.#kicked ??= { code, reason };
    this.link.close();
  }

  #write(command: number, requestId: number, body: Uint8Array): void {
    this.#heartbeat?.sent();
    this.link.send(frameOf(command, requestId, body));
  }

  #receive(frame: Frame): void {
    if (this.#isEnded) return;
    this.#heard++;
    this.#heartbeat?.heard();
    const message = readServerMessage(frame.command, frame.payload);
    if ("error" in message) {
      // A command that a newer server knows is none of ours; a malformed answer must not be waited for.
      if (frame.requestId !== 0) this.#requests.fail(frame.requestId, new Error(message.message));
      return;
    }
    if (frame.requestId !== 0 && this.#requests.settle(frame.requestId, message)) return;
    if (message.command === Command.GOAWAY) return this.#sendAway(message.payload);
    if (message.command === Command.KICKED) this.#kicked ??= message.payload;
    else if (this.connected === undefined) this.#early.push(message);
    else this.#onMessage(message);
  }

  #closed(code: number | undefined): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#heartbeat?.stop();
    this.#end(this.#kicked ?? { code, reason: "the connection was lost" });
    this.#requests.failAll();
  }
}
