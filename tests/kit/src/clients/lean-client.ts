/**
 * The fast path of the raw client, for load generators, whose CPU time for each message decides what a bench can measure.
 *
 * The idea: `RawClient` shows every frame and does nothing by itself; this client shows almost nothing, and does by itself
 * what every correct client must do: CONNECT, heartbeat, and RECEIVED. It saves CPU in four ways: all sockets read into one
 * buffer; DELIVER is walked over and not decoded; RECEIVED is a frame that is patched; and all that a client writes in one
 * turn of the event loop goes out in one write.
 *
 * Edge cases. A client may connect again after its connection has ended, and then continues from its place in the inbox.
 * A write after the end is dropped. A failed log-in is an error of `logIn` where a subclass waits for that, and an event
 * otherwise.
 */
import { Command, decodePayload, encodeFrame } from "@carillon/protocol";
import { type DeliverTaker, DeliverWalk, FrameCutter } from "./frame-walk";
import { askForTicket, type Link, openTcp, openUdp, openWebSocket, type UdpPlace } from "./link";

const ACK_EVENTS = 20;
const ACK_MS = 50;
const READ_BYTES = 256 * 1_024;
const LOGIN_MS = 30_000;
const SWEEP_MS = 1_000;
const CONNECT_REQUEST = 1;

/** All sockets read into this buffer: a socket is done with it before the next one reads. */
const readBuffer = Buffer.alloc(READ_BYTES);
const walk = new DeliverWalk();
const ping = Buffer.from(encodeFrame(Command.PING, 0xffff_ffff));

export interface LeanSpec {
  host: string;
  port: number;
  /** Default: TCP. */
  transport?: "tcp" | "ws" | "udp";
  /** Over UDP: the api, which gives the tickets. */
  api?: string;
  /** Address of this machine to connect from: each has 28,000 ports. */
  localAddress?: string;
  /** The authority of the gateway's certificate, in PEM: the connection is encrypted. */
  ca?: string;
  userId: string;
  deviceId: string;
  token: string;
}

/** Clients with something to write at the end of this turn. */
let dirty: LeanClient[] = [];

function flushDirty(): void {
  const all = dirty;
  dirty = [];
  for (const client of all) client.flush();
}

/** Connected clients, for the heartbeat. */
const connected = new Set<LeanClient>();
let sweeper: NodeJS.Timeout | undefined;

function sweep(): void {
  const now = performance.now();
  for (const client of connected) client.pingAfterSilence(now);
}

export abstract class LeanClient implements DeliverTaker {
  isConnected = false;
  protected lastRequestId = CONNECT_REQUEST;
  protected inboxSeq = 0;
  private epoch = "";
  private readonly ownId: Buffer;
  private link: Link | undefined;
  private cutter = new FrameCutter();
  private pending: Uint8Array[] = [];
  private isDirty = false;
  private writtenAt = 0;
  private heartbeatMs = 30_000;
  private unacknowledged = 0;
  private mustAcknowledge = false;
  private ackTimer: NodeJS.Timeout | undefined;
  private received = Buffer.alloc(0);
  private onLogIn: ((error?: Error) => void) | undefined;

  constructor(protected readonly spec: LeanSpec) {
    this.ownId = Buffer.from(spec.userId, "latin1");
  }

  /** Takes a frame that is neither CONNECTED nor DELIVER; its payload is bytes[from, to), which is overwritten afterwards. */
  protected abstract onFrame(command: number, requestId: number, bytes: Buffer, from: number, to: number): void;
  /** Takes a new event of the inbox; `content` is empty for an event of the client's own user. */
  protected abstract onMessage(seq: number, isOwn: boolean, content: string): void;
  /** The gateway has done what it must not do, or has ended the connection. */
  protected abstract onFault(what: string): void;

  /** The gateway has answered CONNECT. */
  protected onConnected(): void {}

  /** The connection has ended, and `cut` did not end it. */
  protected onEnd(why: string, _wasConnected: boolean): void {
    this.onFault(why);
  }

  /** The gateway has sent an event again, which it does when it gets no RECEIVED for 5 s. */
  protected onRepeatedEvent(inboxSeq: number): void {
    this.onFault(`inbox ${inboxSeq} after ${this.inboxSeq}`);
  }

  /** Connects, and resolves at CONNECTED. @throws Error when the gateway refuses, closes, or does not answer within 30 s */
  protected async logIn(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const fail = () => this.onLogIn?.(new Error(`${this.spec.userId} was not connected in time`));
      const timer = setTimeout(fail, LOGIN_MS);
      this.onLogIn = (error) => {
        clearTimeout(timer);
        this.onLogIn = undefined;
        if (error === undefined) resolve();
        else reject(error);
      };
      this.connect();
    });
  }

  /** Opens a connection and sends CONNECT; the place in the inbox continues, if there was one. */
  protected connect(): void {
    const { host, port, localAddress, ca, transport } = this.spec;
    const from = { ...(localAddress === undefined ? {} : { localAddress }), ca };
    const scheme = ca === undefined ? "ws" : "wss";
    this.cutter = new FrameCutter();
    const events = {
      onOpen: () => this.link === link && this.greet(),
      onBytes: (bytes: Buffer, length: number) => this.link === link && this.takeBytes(bytes, length),
      onEnd: (_code: number, error?: Error) =>
        this.link === link && this.lose(error?.message ?? "the gateway closed the connection"),
    };
    const link: Link =
      transport === "udp"
        ? openUdp(() => this.takeTicket(), events)
        : transport === "ws"
          ? openWebSocket({ url: `${scheme}://${host}:${port}/ws`, subprotocol: "carillon.v1", ...from }, events)
          : openTcp({ host, port, readInto: readBuffer, ...from }, events);
    this.link = link;
  }

  private async takeTicket(): Promise<UdpPlace> {
    const { api = "", token } = this.spec;
    const answer = await askForTicket(api, token);
    if (answer.status !== 201) throw new Error(`no ticket: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as UdpPlace;
  }

  /** Ends the connection without a word, as when a cable is pulled. */
  cut(): void {
    const { link } = this;
    this.forget();
    link?.cut();
  }

  /** Sends a frame with all else that this client sends in this turn. */
  protected write(frame: Uint8Array): void {
    this.pending.push(frame);
    this.writeSoon();
  }

  /** Sends bytes at once. */
  protected writeNow(bytes: Uint8Array): void {
    if (this.link === undefined) return;
    this.writtenAt = performance.now();
    this.link.write(bytes);
  }

  /** Has `takeFrames` called at the end of this turn. */
  protected writeSoon(): void {
    if (this.isDirty) return;
    this.isDirty = true;
    if (dirty.push(this) === 1) setImmediate(flushDirty);
  }

  /** Hands over what was not written yet, in its order, as an array that the caller may change. */
  protected takeFrames(): Uint8Array[] {
    const frames = this.pending;
    this.pending = [];
    return frames;
  }

  flush(): void {
    this.isDirty = false;
    const frames = this.takeFrames();
    if (this.mustAcknowledge) frames.push(this.receivedFrame());
    this.mustAcknowledge = false;
    if (frames.length > 0) this.writeNow(frames.length === 1 ? frames[0]! : Buffer.concat(frames));
  }

  /** @param now of performance.now() */
  pingAfterSilence(now: number): void {
    if (now - this.writtenAt >= this.heartbeatMs) this.writeNow(ping);
  }

  /** Decodes the payload of DELIVER no further than needed. A subclass that needs more overrides it. */
  protected onDeliver(bytes: Buffer, from: number, to: number): void {
    walk.read(bytes, from, to, this.ownId, this);
  }

  onEpoch(epoch: string): void {
    if (epoch !== this.epoch) this.onFault("the inbox began a new epoch");
  }

  onEvent(inboxSeq: number, seq: number, isOwn: boolean, content: string): void {
    if (this.takeNumber(inboxSeq)) this.onMessage(seq, isOwn, content);
  }

  /** Checks a number of the inbox and has it acknowledged. @returns whether the event is new */
  protected takeNumber(inboxSeq: number): boolean {
    this.ackTimer ??= setTimeout(this.acknowledge, ACK_MS);
    if (inboxSeq <= this.inboxSeq) {
      this.onRepeatedEvent(inboxSeq);
      return false;
    }
    if (inboxSeq !== this.inboxSeq + 1) this.onFault(`inbox ${inboxSeq} after ${this.inboxSeq}`);
    this.inboxSeq = inboxSeq;
    if (++this.unacknowledged >= ACK_EVENTS) this.acknowledge();
    return true;
  }

  private greet(): void {
    const { token, deviceId } = this.spec;
    const inbox = this.epoch === "" ? {} : { inbox: { epoch: this.epoch, seq: this.inboxSeq } };
    this.writeNow(encodeFrame(Command.CONNECT, CONNECT_REQUEST, { token, deviceId, platform: "other", ...inbox }));
  }

  private takeBytes(bytes: Buffer, length: number): void {
    try {
      this.cutter.push(bytes, length, this.take);
    } catch (error) {
      this.fail((error as Error).message);
    }
  }

  private readonly take = (command: number, requestId: number, bytes: Buffer, from: number, to: number): void => {
    if (command === Command.DELIVER) this.onDeliver(bytes, from, to);
    else if (command === Command.CONNECTED) this.begin(decodePayload(bytes.subarray(from, to)));
    else if (this.onLogIn !== undefined && command === Command.ERROR) {
      this.onLogIn(new Error(JSON.stringify(decodePayload(bytes.subarray(from, to)))));
    } else this.onFrame(command, requestId, bytes, from, to);
  };

  private begin(answer: Record<string, unknown>): void {
    const { epoch, seq } = answer["inbox"] as { epoch: string; seq: number };
    this.heartbeatMs = Number(answer["heartbeatSeconds"]) * 1_000;
    if (this.epoch === "") {
      this.inboxSeq = seq;
      this.epoch = epoch;
      // The number is written as 32 bits whatever it is, so that one frame serves for all numbers.
      this.received = Buffer.from(encodeFrame(Command.RECEIVED, 0, { epoch, inboxSeq: 0xffff_ffff }));
    }
    this.isConnected = true;
    connected.add(this);
    if (sweeper === undefined) sweeper = setInterval(sweep, SWEEP_MS).unref();
    this.onLogIn?.();
    this.onConnected();
  }

  private lose(why: string): void {
    const { onLogIn, isConnected } = this;
    this.forget();
    if (onLogIn !== undefined) onLogIn(new Error(why));
    else this.onEnd(why, isConnected);
  }

  private forget(): void {
    this.link = undefined;
    this.isConnected = false;
    this.pending = [];
    this.unacknowledged = 0;
    this.mustAcknowledge = false;
    clearTimeout(this.ackTimer);
    this.ackTimer = undefined;
    connected.delete(this);
  }

  protected fail(what: string): void {
    if (this.onLogIn !== undefined) this.onLogIn(new Error(what));
    else if (this.link !== undefined) this.onFault(what);
  }

  private readonly acknowledge = (): void => {
    clearTimeout(this.ackTimer);
    this.ackTimer = undefined;
    this.unacknowledged = 0;
    this.mustAcknowledge = true;
    this.writeSoon();
  };

  private receivedFrame(): Buffer {
    const frame = Buffer.from(this.received);
    frame.writeUInt32BE(this.inboxSeq, frame.length - 4);
    return frame;
  }
}
