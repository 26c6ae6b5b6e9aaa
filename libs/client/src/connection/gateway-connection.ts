/** One connection to one gateway, from CONNECT to its end. The client never uses it again after that. */
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

/** The end of a connection, with its close code if the gateway or the WebSocket named one. */
export interface Ended {
  code: number | undefined;
  reason: string;
}

export class GatewayConnection {
  /** The payload of CONNECTED, once it has come. */
  connected: ConnectedPayload | undefined;
  /** Resolves when the connection has ended, for whatever reason. */
  readonly ended: Promise<Ended>;
  /** Resolves when the gateway asks the client to go to another gateway. */
  readonly goaway: Promise<GoawayPayload>;
  readonly #requests = new Requests();
  #heartbeat: Heartbeat | undefined;
  #end: (ended: Ended) => void = () => {};
  #sendAway: (goaway: GoawayPayload) => void = () => {};
  #kicked: Ended | undefined;
  #isEnded = false;
  /** The number of frames that have come. */
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
   * @param timeoutMs the time that the gateway has to answer, ms
   * @returns CONNECTED, or the GOAWAY that the gateway answered instead
   * @throws CarillonError of the refusal; NoAnswer; ConnectionLost
   */
  async open(payload: ConnectPayload, timeoutMs: number): Promise<ConnectedPayload | GoawayPayload> {
    const answer = await this.request(Command.CONNECT, payload, timeoutMs);
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

  /** Passes on every message that is no answer, including earlier messages; from now on the session is in use. */
  listen(onMessage: (message: ServerMessage) => void): void {
    this.#onMessage = onMessage;
    for (const message of this.#early.splice(0)) onMessage(message);
  }

  /**
   * Sends a request and resolves with its answer.
   * @throws CarillonError if the answer is ERROR; NoAnswer if the server sends other frames but no answer in `timeoutMs`;
   *   ConnectionLost
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
    // Without a heartbeat only the deadline of the request shows that the connection is dead.
    const isHeard = () => heartbeat === undefined || this.#heard > heard;
    const what = commandName(command) ?? `command ${command}`;
    const { requestId, answer } = this.#requests.add(what, timeoutMs, isHeard);
    try {
      this.#write(command, requestId, body);
      heartbeat?.asked();
    } catch (error) {
      // The payload is too large for a frame: the client has sent nothing, and the request must not wait for an answer.
      this.#requests.fail(requestId, new CarillonError("FRAME_TOO_LARGE", (error as Error).message));
    }
    return answer;
  }

  /** Sends a message that has no answer. */
  send(command: number, payload: object): void {
    if (!this.#isEnded) this.#write(command, 0, packPayload(payload));
  }

  /** Called when the network may have changed: checks whether the connection is alive. */
  doubt(): void {
    if (!this.#isEnded) this.#heartbeat?.doubt();
  }

  /** Sends DISCONNECT and ends the connection; the client ignores all later frames. */
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
      // The client ignores an unknown command of a newer server. A malformed answer fails its request at once.
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
