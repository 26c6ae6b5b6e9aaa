/**
 * Carillon's protocol for the load generator: a correct client over TCP (RECEIVED, PING, BUSY) that costs as little as can be.
 *
 * What saves: frames are patched, not encoded; DELIVER is walked over, not decoded; all sockets read into one buffer; what
 * is written in one turn of the event loop goes out in one write per connection.
 */
import { connect, type Socket } from "node:net";
import { Command, decodePayload, encodeFrame } from "@carillon/protocol";
import type { LoadClientSpec, LoadConnection, LoadEvents, LoadProtocol } from "../load-protocol";
import { DeliverWalk, FrameCutter } from "./frame-walk";
import { makeSendTemplate, SendRing } from "./send-ring";

/** The device that all of the generator's tokens are for. */
export const DEVICE = "bench";
const ACK_EVENTS = 20;
const ACK_MS = 50;
const READ_BYTES = 256 * 1_024;
const LOGIN_MS = 30_000;
const SWEEP_MS = 1_000;

export const protocol: LoadProtocol = {
  open: (spec, events) => CarillonConnection.open(spec, events),
};

/** What every socket reads into: it is done with before the next one reads. */
const readBuffer = Buffer.alloc(READ_BYTES);
const walk = new DeliverWalk();
const ping = Buffer.from(encodeFrame(Command.PING, 0xffff_ffff));

/** Connections with something to write, until the end of this turn. */
let dirty: CarillonConnection[] = [];

function flushDirty(): void {
  const all = dirty;
  dirty = [];
  for (const connection of all) connection.flush();
}

/** Open connections, for the heartbeat. */
const open = new Set<CarillonConnection>();
let sweeper: NodeJS.Timeout | undefined;

function sweep(): void {
  const now = performance.now();
  for (const connection of open) connection.pingAfterSilence(now);
}

class CarillonConnection implements LoadConnection {
  private readonly cutter = new FrameCutter();
  private readonly ownId: Buffer;
  private socket: Socket | undefined;
  private ring: SendRing | undefined;
  private lastRequestId = 1;
  /** First message that is not written yet. */
  private unwritten = 0;
  private isDirty = false;
  private writtenAt = 0;
  private heartbeatMs = 30_000;
  private lastSeq = 0;
  private inboxSeq = 0;
  private epoch = "";
  private unacknowledged = 0;
  private mustAcknowledge = false;
  private ackTimer: NodeJS.Timeout | undefined;
  private received = Buffer.alloc(0);
  private onLogin: ((error?: Error) => void) | undefined;
  private isClosed = false;

  private constructor(
    private readonly spec: LoadClientSpec,
    private readonly events: LoadEvents,
  ) {
    this.ownId = Buffer.from(spec.userId, "latin1");
  }

  static async open(spec: LoadClientSpec, events: LoadEvents): Promise<LoadConnection> {
    const connection = new CarillonConnection(spec, events);
    await connection.logIn();
    open.add(connection);
    sweeper ??= setInterval(sweep, SWEEP_MS);
    sweeper.unref();
    return connection;
  }

  send(content: string): void {
    if (this.ring?.template.contentBytes !== content.length) {
      this.flush();
      this.ring = new SendRing(makeSendTemplate(`u:${this.spec.peerId}`, content.length));
    }
    const requestId = ++this.lastRequestId;
    this.ring.add(requestId, content);
    if (this.unwritten === 0) this.unwritten = requestId;
    this.writeSoon();
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.ackTimer);
    open.delete(this);
    this.socket?.destroy();
  }

  flush(): void {
    this.isDirty = false;
    const { socket } = this;
    if (socket === undefined || this.isClosed) return;
    const frames = this.unwritten === 0 ? [] : this.ring!.frames(this.unwritten, this.lastRequestId);
    this.unwritten = 0;
    if (this.mustAcknowledge) frames.push(this.receivedFrame());
    this.mustAcknowledge = false;
    if (frames.length === 0) return;
    this.writtenAt = performance.now();
    if (frames.length === 1) socket.write(frames[0]!);
    else socket.write(Buffer.concat(frames));
  }

  pingAfterSilence(now: number): void {
    if (now - this.writtenAt < this.heartbeatMs) return;
    this.writtenAt = now;
    this.socket!.write(ping);
  }

  private async logIn(): Promise<void> {
    const { host, port, localAddress, secret } = this.spec;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.spec.userId} was not connected in time`)), LOGIN_MS);
      this.onLogin = (error) => {
        clearTimeout(timer);
        this.onLogin = undefined;
        if (error === undefined) resolve();
        else reject(error);
      };
      const socket = connect({
        ...{ host, port, noDelay: true },
        ...(localAddress === undefined ? {} : { localAddress }),
        onread: { buffer: readBuffer, callback: (length, bytes) => this.read(bytes as Buffer, length) },
      });
      this.socket = socket;
      socket.on("error", (error) => this.fail(error.message));
      socket.on("close", () => this.fail("the gateway closed the connection"));
      socket.on("connect", () => {
        socket.write(encodeFrame(Command.CONNECT, 1, { token: secret, deviceId: DEVICE, platform: "other" }));
      });
    });
  }

  private fail(what: string): void {
    if (this.isClosed) return;
    if (this.onLogin !== undefined) this.onLogin(new Error(what));
    else this.events.onError(what);
  }

  private read(bytes: Buffer, length: number): boolean {
    try {
      this.cutter.push(bytes, length, this.take);
    } catch (error) {
      this.fail((error as Error).message);
    }
    return true;
  }

  private readonly take = (command: number, requestId: number, bytes: Buffer, from: number, to: number): void => {
    switch (command) {
      case Command.DELIVER:
        return walk.read(bytes, from, to, this.ownId, this);
      case Command.SENT:
        if (this.ring?.settle(requestId) === true) return this.events.onAccepted();
        return this.fail(`SENT for request ${requestId}, which is not under way`);
      case Command.CONNECTED:
        return this.begin(decodePayload(bytes.subarray(from, to)));
      case Command.ERROR:
        return this.repeatOrFail(requestId, decodePayload(bytes.subarray(from, to)));
      case Command.KICKED:
      case Command.GOAWAY:
        return this.fail(`closed by the gateway: ${JSON.stringify(decodePayload(bytes.subarray(from, to)))}`);
    }
  };

  private begin(connected: Record<string, unknown>): void {
    const { epoch, seq } = connected["inbox"] as { epoch: string; seq: number };
    this.heartbeatMs = Number(connected["heartbeatSeconds"]) * 1_000;
    this.inboxSeq = seq;
    this.setEpoch(epoch);
    this.writtenAt = performance.now();
    this.onLogin?.();
  }

  onEpoch(epoch: string): void {
    if (epoch !== this.epoch) this.fail(`the inbox began a new epoch`);
  }

  onEvent(inboxSeq: number, seq: number, isOwn: boolean, content: string): void {
    if (inboxSeq !== this.inboxSeq + 1) this.fail(`inbox ${inboxSeq} after ${this.inboxSeq}`);
    if (seq !== this.lastSeq + 1) this.fail(`seq ${seq} after ${this.lastSeq}`);
    this.inboxSeq = inboxSeq;
    this.lastSeq = seq;
    if (++this.unacknowledged >= ACK_EVENTS) this.acknowledge();
    else this.ackTimer ??= setTimeout(this.acknowledge, ACK_MS);
    if (!isOwn) this.events.onMessage(content);
  }

  private readonly acknowledge = (): void => {
    clearTimeout(this.ackTimer);
    this.ackTimer = undefined;
    this.unacknowledged = 0;
    this.mustAcknowledge = true;
    this.writeSoon();
  };

  /** The number is written as 32 bits whatever it is, so that one frame serves until the epoch changes. */
  private setEpoch(epoch: string): void {
    this.epoch = epoch;
    this.received = Buffer.from(encodeFrame(Command.RECEIVED, 0, { epoch, inboxSeq: 0xffff_ffff }));
  }

  private receivedFrame(): Buffer {
    const frame = Buffer.from(this.received);
    frame.writeUInt32BE(this.inboxSeq, frame.length - 4);
    return frame;
  }

  private repeatOrFail(requestId: number, error: Record<string, unknown>): void {
    if (this.onLogin !== undefined && requestId === 1) return this.onLogin(new Error(JSON.stringify(error)));
    if (error["name"] !== "BUSY" || this.ring?.isUnderWay(requestId) !== true) return this.fail(JSON.stringify(error));
    this.events.onRepeated?.();
    const repeat = () => {
      if (!this.isClosed) for (const frame of this.ring!.frames(requestId, requestId)) this.socket!.write(frame);
    };
    setTimeout(repeat, Number(error["retryAfterMs"] ?? 1_000));
  }

  private writeSoon(): void {
    if (this.isDirty) return;
    this.isDirty = true;
    if (dirty.push(this) === 1) setImmediate(flushDirty);
  }
}
