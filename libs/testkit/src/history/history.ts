/** The recorder of a run: clients tell it what they do and see, while it happens. */
import type { Answer, DeviceHistory, RevokedDevice, SentMessage, ShownEvent } from "./evidence";

export class History {
  readonly messages: SentMessage[] = [];
  readonly devices: DeviceHistory[] = [];
  readonly revoked: RevokedDevice[] = [];

  /** What one device will tell; `name` is unique. */
  device(name: string, userId: string): DeviceRecorder {
    const history: DeviceHistory = { name, userId, shown: [], deliveries: [], resyncs: [], changes: [] };
    this.devices.push(history);
    return new DeviceRecorder(history, this.messages);
  }
}

/** Writes down what one device does and sees, each with the time of now. */
export class DeviceRecorder {
  private lastOrder = 0;

  constructor(
    readonly history: DeviceHistory,
    private readonly messages: SentMessage[],
  ) {}

  /** A message is sent for the first time. */
  sent(message: Pick<SentMessage, "conversationId" | "clientMsgId" | "content">): SentMessage {
    const { name, userId } = this.history;
    const record: SentMessage = {
      ...message,
      device: name,
      senderId: userId,
      order: ++this.lastOrder,
      sentAt: performance.now(),
      repeated: false,
      answers: [],
      refusals: [],
    };
    this.messages.push(record);
    return record;
  }

  answered(message: SentMessage, { seq, messageId }: Omit<Answer, "at">): void {
    message.answers.push({ at: performance.now(), seq, messageId });
  }

  /** The message was refused; if it is sent again it counts as repeated. */
  refused(message: SentMessage, name: string): void {
    message.refusals.push({ at: performance.now(), name });
    message.repeated = true;
  }

  /** The app got an event. */
  shown(event: Omit<ShownEvent, "at">): void {
    this.history.shown.push({ ...event, at: performance.now() });
  }

  delivered(connection: number, epoch: string, inboxSeq: number, conversationId: string, seq: number): void {
    this.history.deliveries.push({ at: performance.now(), connection, epoch, inboxSeq, conversationId, seq });
  }

  /** The server could not tell what the device missed. */
  resynced(): void {
    this.history.resyncs.push(performance.now());
  }

  online(gatewayId: string): void {
    this.history.changes.push({ at: performance.now(), online: true, gatewayId });
  }

  offline(): void {
    const last = this.history.changes.at(-1);
    if (last?.online === true) this.history.changes.push({ at: performance.now(), online: false });
  }
}
