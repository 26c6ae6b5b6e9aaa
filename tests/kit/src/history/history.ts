/** The recorder of a run: clients report their actions and observations while they happen. */
import type { Answer, DeviceHistory, RevokedDevice, SentMessage, SentRead, ShownEvent, ToldMark } from "./evidence";

export class History {
  readonly messages: SentMessage[] = [];
  readonly devices: DeviceHistory[] = [];
  readonly revoked: RevokedDevice[] = [];

  /** Creates the recorder of one device; `name` is unique. */
  device(name: string, userId: string): DeviceRecorder {
    const history = newHistory(name, userId);
    this.devices.push(history);
    return new DeviceRecorder(history, this.messages);
  }

  /** Creates the recorder of a device that only sends: its received events are not judged. */
  sender(name: string, userId: string): DeviceRecorder {
    return new DeviceRecorder(newHistory(name, userId), this.messages);
  }
}

function newHistory(name: string, userId: string): DeviceHistory {
  return { name, userId, shown: [], reads: [], marks: [], deliveries: [], resyncs: [], changes: [] };
}

/** Records actions and observations of one device with the present time. */
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

  /** The app received an event. */
  shown(event: Omit<ShownEvent, "at">): void {
    this.history.shown.push({ ...event, at: performance.now() });
  }

  /** A READ is sent for the first time; `answered` records the time of its answer. */
  read(conversationId: string, seq: number): SentRead {
    const read: SentRead = { conversationId, seq, answeredAt: undefined };
    this.history.reads.push(read);
    return read;
  }

  /** The server tells the mark of a user. */
  marked(mark: ToldMark): void {
    const { kind, conversationId, userId, seq } = mark;
    const known = this.history.marks.find(
      (one) => one.kind === kind && one.conversationId === conversationId && one.userId === userId,
    );
    if (known === undefined) this.history.marks.push({ ...mark });
    else known.seq = Math.max(known.seq, seq);
  }

  delivered(connection: number, epoch: string, inboxSeq: number, conversationId: string, seq: number): void {
    this.history.deliveries.push({ at: performance.now(), connection, epoch, inboxSeq, conversationId, seq });
  }

  /** The server told the device to resync. */
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
