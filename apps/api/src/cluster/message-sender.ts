/**
 * Messages that arrive over HTTP take the way of every SEND: into the queue of their partition, in batches, with an origin to
 * which the owner answers. The origin is this process, under a name that no gateway can have; each request has a number, by which
 * its answer finds it. Without an answer in time it is unknown whether the message is stored: the caller gets BUSY, and sends it
 * again with the same clientMsgId.
 */
import { partitionOf } from "@carillon/base";
import {
  apiLink,
  BatchPublisher,
  type Bus,
  type DownlinkMessage,
  DownlinkReceiver,
  encodeRequestBatch,
  queueSubject,
  type SendRequest,
  sizeOfRequest,
} from "@carillon/bus";
import {
  busy,
  CarillonError,
  Command,
  decodeFrames,
  errorByCode,
  parseServerMessage,
  type SentPayload,
} from "@carillon/protocol";

/** Most time for an answer; a take-over lasts 3 s. */
const ANSWER_MS = 5_000;

export interface MessageSenderOptions {
  bus: Bus;
  nodeId: string;
  boot: string;
  partitions: number;
  /** Most time for an answer, ms. */
  answerMs?: number;
}

/** A message as a queue takes it, without its origin. */
export type Message = Omit<SendRequest, "connection" | "requestId">;

interface Waiting {
  resolve(sent: SentPayload): void;
  reject(error: CarillonError): void;
}

export class MessageSender {
  private readonly queues: BatchPublisher<SendRequest>[];
  private readonly waiting = new Map<number, Waiting>();
  private readonly receiver: DownlinkReceiver;
  private lastNumber = 0;

  constructor(private readonly options: MessageSenderOptions) {
    const { bus, nodeId, boot, partitions } = options;
    const replyTo = apiLink(nodeId);
    this.queues = Array.from(
      { length: partitions },
      (_, partition) =>
        new BatchPublisher({
          bus,
          subject: queueSubject(partition),
          encode: (requests: SendRequest[]) => encodeRequestBatch({ replyTo, boot, requests }),
          sizeOf: sizeOfRequest,
          onRefused: (requests) => {
            for (const { connection } of requests) this.waiting.get(connection)?.reject(notAnswered());
          },
        }),
    );
    this.receiver = new DownlinkReceiver({
      bus,
      gateway: replyTo,
      takesOrders: false,
      onMessage: (message) => this.receive(message),
      // The request of a lost answer ends with BUSY; nothing else is sent here.
      onBreak: () => {},
    });
  }

  start(): void {
    this.receiver.start();
  }

  /** Waits for verdicts on what was put into the queues, at most `ms`. */
  async stop(ms: number): Promise<void> {
    await Promise.all(this.queues.map((queue) => queue.stop(ms)));
    this.receiver.stop();
  }

  /** @throws CarillonError what the owner of the conversation says; BUSY when it does not answer in time */
  async send(message: Message): Promise<SentPayload> {
    const { partitions, answerMs = ANSWER_MS } = this.options;
    const connection = ++this.lastNumber;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<SentPayload>((resolve, reject) => {
        this.waiting.set(connection, { resolve, reject });
        timer = setTimeout(() => reject(notAnswered()), answerMs);
        const queue = this.queues[partitionOf(message.conversationId, partitions)]!;
        if (!queue.submit({ ...message, connection, requestId: 0 })) reject(notAnswered());
      });
    } finally {
      clearTimeout(timer);
      this.waiting.delete(connection);
    }
  }

  private receive(message: DownlinkMessage): void {
    // In messages to an earlier process of this name, the numbers mean other requests.
    if (message.kind !== "answers" || message.boot !== this.options.boot) return;
    for (const { connection, frame } of message.answers) {
      const waiting = this.waiting.get(connection);
      const [answer] = decodeFrames(frame).frames;
      if (waiting === undefined || answer === undefined) continue;
      const parsed = parseServerMessage(answer.command, answer.payload);
      if ("error" in parsed) continue;
      if (parsed.command === Command.SENT) waiting.resolve(parsed.payload);
      if (parsed.command === Command.ERROR) waiting.reject(toError(parsed.payload));
    }
  }
}

function toError({ code, message, retryAfterMs }: { code: number; message: string; retryAfterMs?: number }) {
  const name = errorByCode(code)?.name ?? "INTERNAL";
  return new CarillonError(name, message, retryAfterMs === undefined ? {} : { retryAfterMs });
}

function notAnswered(): CarillonError {
  const message = "no answer in time: send it again with the same clientMsgId";
  return busy({ message });
}
