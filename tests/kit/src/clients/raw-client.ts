/**
 * A raw client for tests: it speaks any transport, sends any bytes, and shows every received frame. It acknowledges nothing and
 * never reconnects: a test does by hand what a correct client does by itself.
 */
import type { Socket } from "node:net";
import {
  Command,
  decodeFrames,
  decodeJsonFrame,
  decodePayload,
  encodeFrame,
  encodeJsonFrame,
  type Frame,
  FrameDecoder,
} from "@carillon/protocol";
import { type Link, type LinkEvents, openTcp, openUdp, openWebSocket, tcpPlace, type UdpPlace } from "./link";

export type RawTransport = "tcp" | "ws" | "json" | "udp";

export const rawTransports: readonly RawTransport[] = ["tcp", "ws", "json", "udp"];

/** Addresses of a gateway, from cluster.json or /v1/route; for UDP, with a ticket. */
export interface RawAddresses {
  ws: string;
  tcp: string;
  ticket?: UdpPlace;
}

/** A received frame with its decoded payload. */
export interface RawFrame {
  command: number;
  requestId: number;
  // Tests read payloads freely.
  // biome-ignore lint/suspicious/noExplicitAny: the shape is what the test is about
  payload: any;
}

/** Time within which an expected frame must arrive, ms. */
const PATIENCE_MS = 20_000;

export class RawClient {
  /** All frames, in order. */
  readonly frames: RawFrame[] = [];
  /** Set when the other side has closed the connection; -1 over TCP, which has no code. */
  closeCode: number | undefined;
  private lastRequestId = 0;
  private taken = new Set<RawFrame>();
  private changed: () => void = () => {};

  private readonly link: Link;
  private onFrame = (frame: RawFrame): void => {
    this.frames.push(frame);
    this.changed();
  };
  private onClose = (_code: number): void => this.changed();

  private constructor(
    readonly transport: RawTransport,
    addresses: RawAddresses,
    opened: { resolve(): void; reject(error: Error): void },
    ca: string | undefined,
  ) {
    const decode = transport === "json" ? decodeText : transport === "ws" ? decodeBinary : streamDecoder();
    this.link = openLink(transport, addresses, ca, {
      onOpen: () => opened.resolve(),
      onBytes: (bytes: Buffer) => {
        for (const frame of decode(bytes)) this.onFrame(frame);
      },
      onEnd: (code: number, error?: Error) => {
        opened.reject(error ?? new Error(`the connection was closed with ${code}`));
        this.closeCode = code;
        this.onClose(code);
      },
    });
  }

  /**
   * @param ca the authority of the gateway's certificate, in PEM; undefined: the connection is not encrypted
   */
  static async open(transport: RawTransport, addresses: RawAddresses, ca?: string): Promise<RawClient> {
    let client!: RawClient;
    await new Promise<void>((resolve, reject) => {
      client = new RawClient(transport, addresses, { resolve, reject }, ca);
    });
    return client;
  }

  /** Passes frames on from now on instead of keeping them, for clients that live long. */
  listen(onFrame: (frame: RawFrame) => void, onClose: (code: number) => void): void {
    this.onFrame = onFrame;
    this.onClose = onClose;
    if (this.closeCode !== undefined) onClose(this.closeCode);
  }

  get isClosed(): boolean {
    return this.closeCode !== undefined;
  }

  /** Sends bytes (or a string as JSON text) unchanged. */
  sendRaw(data: Uint8Array | string): void {
    this.link.write(data);
  }

  /** Sends a frame and returns its requestId. */
  send(command: number, payload: object = {}, requestId = ++this.lastRequestId): number {
    const json = this.transport === "json";
    this.link.write(json ? encodeJsonFrame(command, requestId, payload) : encodeFrame(command, requestId, payload));
    return requestId;
  }

  /** Sends a request and waits for the frame with its requestId. */
  async request(command: number, payload: object = {}): Promise<RawFrame> {
    const requestId = this.send(command, payload);
    return this.next(`the answer to request ${requestId}`, (frame) => frame.requestId === requestId);
  }

  /** Logs in; fails unless CONNECTED arrives. */
  async connect(payload: { token: string; deviceId: string; platform?: string; [key: string]: unknown }) {
    const answer = await this.request(Command.CONNECT, { platform: "other", ...payload });
    if (answer.command !== Command.CONNECTED) throw new Error(`CONNECT was answered with ${JSON.stringify(answer)}`);
    return answer.payload;
  }

  /** Returns the next matching frame that no caller has taken yet. */
  async next(what: string, fits: (frame: RawFrame) => boolean): Promise<RawFrame> {
    const frame = await this.until(what, () => this.frames.find((one) => !this.taken.has(one) && fits(one)));
    this.taken.add(frame);
    return frame;
  }

  nextOf(command: number): Promise<RawFrame> {
    return this.next(`a frame of command ${command}`, (frame) => frame.command === command);
  }

  /** Returns all events delivered so far, with their inbox numbers, in order of arrival. */
  get events(): { inboxSeq: number; event: Record<string, unknown> }[] {
    return this.frames
      .filter((frame) => frame.command === Command.DELIVER)
      .flatMap((frame) => frame.payload.events as [number, Record<string, unknown>][])
      .map(([inboxSeq, event]) => ({ inboxSeq, event }));
  }

  /** Waits until `look` returns a value; calls it again after every frame. */
  async until<T>(what: string, look: () => T | undefined | false): Promise<T> {
    const deadline = Date.now() + PATIENCE_MS;
    while (true) {
      const value = look();
      if (value !== undefined && value !== false) return value;
      const left = deadline - Date.now();
      if (left <= 0 || (this.isClosed && left < PATIENCE_MS - 2_000)) {
        const seen = JSON.stringify(this.frames.slice(-5));
        throw new Error(`${what} did not come (closed: ${this.closeCode}); the last frames: ${seen}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 250));
        this.changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Waits until the other side closes; returns the code, or -1 over TCP. */
  closed(): Promise<number> {
    return this.until("the close", () => this.closeCode);
  }

  /** The socket below the frames, for bytes that break the rules of WebSocket. */
  get socket(): Socket {
    return this.link.socket();
  }

  /** Stops reading, like a client that hangs. */
  stopReading(): void {
    this.link.pause();
  }

  resumeReading(): void {
    this.link.resume();
  }

  close(): void {
    this.link.close();
  }

  /** Ends without closing the connection, like a client that lost its network or was killed. */
  destroy(): void {
    this.link.cut();
  }
}

const decoded = ({ command, requestId, payload }: Frame): RawFrame => ({
  ...{ command, requestId, payload: decodePayload(payload) },
});

function openLink(
  transport: RawTransport,
  { ws, tcp, ticket }: RawAddresses,
  ca: string | undefined,
  events: LinkEvents,
): Link {
  if (transport === "tcp") return openTcp({ ...tcpPlace(tcp), ca }, events);
  if (transport !== "udp") {
    const subprotocol = transport === "json" ? "carillon.json.v1" : "carillon.v1";
    return openWebSocket({ url: ws, subprotocol, ca }, events);
  }
  if (ticket === undefined) throw new Error("a connection over UDP needs a ticket: see addressesFor");
  return openUdp(async () => ticket, events);
}

function streamDecoder(): (bytes: Buffer) => RawFrame[] {
  const decoder = new FrameDecoder();
  return (bytes) => decoder.push(bytes).map(decoded);
}

const decodeBinary = (message: Buffer): RawFrame[] => decodeFrames(message).frames.map(decoded);

function decodeText(message: Buffer): RawFrame[] {
  const frame = decodeJsonFrame(message.toString());
  return "error" in frame ? [] : [frame];
}
