/**
 * A device that is connected and says nothing but its heartbeat; cut off, it comes back as the SDK does and takes what it
 * has missed. It checks that this is everything, in order.
 */
import { Backoff } from "@carillon/base";
import { Command, decodePayload, encodeFrame } from "@carillon/protocol";
import { DeliverWalk, FrameCutter } from "../carillon/frame-walk";
import { DEVICE } from "../carillon/protocol";
import { type Link, type LinkAddress, openLink, type Transport } from "./link";

export interface DeviceSpec extends LinkAddress {
  transport: Transport;
  userId: string;
  token: string;
  /** Whether it asks for everything by SYNC when it is connected, as a device does that was away for long. */
  syncs?: boolean;
}

/** As the SDK's, before it connects again and before it asks again for what was refused. */
const BACKOFF = { first: 1_000, most: 30_000, jitter: "full" } as const;
const SYNC_BACKOFF = { first: 500, most: 10_000, jitter: "full" } as const;
const ACK_EVENTS = 20;
const ACK_MS = 50;
const SYNC_REQUEST = 2;

const walk = new DeliverWalk();
const ping = Buffer.from(encodeFrame(Command.PING, 0xffff_ffff));

export class Device {
  /** Events that came since it was cut off last. */
  caughtUp = 0;
  isConnected = false;
  /** Whether it has the last page of its SYNC, or asks for none. */
  isSynced = false;
  /** How often it had to come again, because it was put off or the connection failed. */
  retries = 0;

  private link: Link | undefined;
  private cutter = new FrameCutter();
  private readonly ownId: Buffer;
  private readonly backoff = new Backoff(BACKOFF);
  private readonly syncBackoff = new Backoff(SYNC_BACKOFF);
  private place: { epoch: string; seq: number } | undefined;
  private wanted = false;
  private writtenAt = 0;
  private heartbeatMs = 30_000;
  private unacknowledged = 0;
  private ackTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly spec: DeviceSpec,
    private readonly events: {
      /** It is connected, or has all that it asked for. */
      onConnected(): void;
      onEvent(): void;
      onRefused(why: string): void;
      onError(what: string): void;
    },
  ) {
    this.ownId = Buffer.from(spec.userId, "latin1");
  }

  /** Connects, again and again until it is connected. */
  come(): void {
    this.wanted = true;
    this.cutter = new FrameCutter();
    const link = openLink(this.spec.transport, this.spec, {
      onOpen: () => this.greet(),
      onBytes: (bytes) => this.link === link && this.cutter.push(bytes, bytes.length, this.take),
      onEnd: (why) => this.link === link && this.lose(why),
    });
    this.link = link;
  }

  /** The connection is gone at once, and the device does not come back by itself. */
  cut(): void {
    this.wanted = false;
    this.isConnected = false;
    this.isSynced = false;
    this.caughtUp = 0;
    clearTimeout(this.ackTimer);
    this.ackTimer = undefined;
    this.link?.cut();
    this.link = undefined;
  }

  /** @param now of performance.now() */
  pingAfterSilence(now: number): void {
    if (this.isConnected && now - this.writtenAt >= this.heartbeatMs) this.write(ping);
  }

  private greet(): void {
    const { token } = this.spec;
    const greeting = { token, deviceId: DEVICE, platform: "other", ...(this.place && { inbox: this.place }) };
    this.write(encodeFrame(Command.CONNECT, 1, greeting));
  }

  private lose(why: string): void {
    this.link = undefined;
    if (this.isConnected) this.events.onError(`${this.spec.userId}: ${why}`);
    this.isConnected = false;
    if (this.wanted) this.again(this.backoff.next(), () => this.come());
  }

  private again(delayMs: number, act: () => void): void {
    this.retries++;
    setTimeout(() => this.wanted && act(), delayMs);
  }

  private readonly take = (command: number, requestId: number, bytes: Buffer, from: number, to: number): void => {
    if (command === Command.DELIVER) return walk.read(bytes, from, to, this.ownId, this);
    if (command === Command.CONNECTED) return this.begin(decodePayload(bytes.subarray(from, to)));
    if (command === Command.SYNCED) return this.takePage(decodePayload(bytes.subarray(from, to)));
    if (command === Command.ERROR && requestId === SYNC_REQUEST) {
      return this.syncLater(decodePayload(bytes.subarray(from, to)));
    }
    if (command === Command.ERROR) return this.putOff(decodePayload(bytes.subarray(from, to)));
    if (command === Command.KICKED || command === Command.GOAWAY) this.refuse(decodePayload(bytes.subarray(from, to)));
  };

  private begin(connected: Record<string, unknown>): void {
    const inbox = connected["inbox"] as { epoch: string; seq: number };
    this.place ??= { ...inbox };
    this.heartbeatMs = Number(connected["heartbeatSeconds"]) * 1_000;
    this.isConnected = true;
    this.backoff.reset();
    this.isSynced = this.spec.syncs !== true;
    if (!this.isSynced) this.sync();
    this.events.onConnected();
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
    const { link } = this;
    if (!["BUSY", "RATE_LIMITED"].includes(String(error["name"]))) return this.refuse(error);
    const waitMs = this.syncBackoff.nextAfter(Number(error["retryAfterMs"] ?? 0));
    this.again(waitMs, () => this.link === link && this.sync());
  }

  /** BUSY: it comes again with a new connection, as the SDK does. */
  private putOff(error: Record<string, unknown>): void {
    if (error["name"] !== "BUSY") return this.refuse(error);
    this.link?.cut();
    this.link = undefined;
    this.again(this.backoff.nextAfter(Number(error["retryAfterMs"] ?? 0)), () => this.come());
  }

  /** A log-in that is refused ends with the connection, and is tried again; a device that is connected is not to be sent away. */
  private refuse(why: Record<string, unknown>): void {
    if (this.isConnected) this.events.onError(`${this.spec.userId} was sent away: ${JSON.stringify(why)}`);
    else this.events.onRefused(JSON.stringify(why));
  }

  onEpoch(epoch: string): void {
    if (epoch !== this.place!.epoch) this.events.onError(`${this.spec.userId}: the inbox began a new epoch`);
  }

  onEvent(inboxSeq: number): void {
    const place = this.place!;
    // A gateway that hears no acknowledgement for 5 s sends again from there; what a device has it passes over.
    if (inboxSeq <= place.seq) {
      this.ackTimer ??= setTimeout(this.acknowledge, ACK_MS);
      return;
    }
    if (inboxSeq !== place.seq + 1) this.events.onError(`${this.spec.userId}: inbox ${inboxSeq} after ${place.seq}`);
    place.seq = inboxSeq;
    this.caughtUp++;
    if (++this.unacknowledged >= ACK_EVENTS) this.acknowledge();
    else this.ackTimer ??= setTimeout(this.acknowledge, ACK_MS);
    this.events.onEvent();
  }

  private readonly acknowledge = (): void => {
    clearTimeout(this.ackTimer);
    this.ackTimer = undefined;
    this.unacknowledged = 0;
    const { epoch, seq } = this.place!;
    this.write(encodeFrame(Command.RECEIVED, 0, { epoch, inboxSeq: seq }));
  };

  private write(bytes: Uint8Array): void {
    this.writtenAt = performance.now();
    this.link?.write(bytes);
  }
}
