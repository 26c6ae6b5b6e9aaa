/**
 * READ goes into the durable queue of receipts, and is answered when it is stored there. The id of a private conversation
 * names its two users. Whether a user may read in a group, the owner of the conversation says; one question asks about many
 * receipts.
 */
import { GroupCommit, getOrSet, partitionOf } from "@carillon/base";
import { askOwner, BatchPublisher, type Bus, encodeReceipts, type ReadReceipt, receiptsSubject } from "@carillon/bus";
import { busy, CarillonError, Command, parseConversationId, type ReadPayload } from "@carillon/protocol";
import type { Session } from "../session/session";
import type { UserRegistry } from "../session/user-registry";

const MOST_PER_QUESTION = 512;
const MOST_WAITING = 8_192;

export interface ReadReceiptsOptions {
  bus: Bus;
  partitions: number;
  users: Pick<UserRegistry, "sessions">;
}

interface PendingReceipt extends ReadReceipt {
  connection: number;
  requestId: number;
}

export class ReadReceipts {
  /** By partition: a worker stores a batch as a whole, and a partition whose owner is away must not hold up the others. */
  private readonly queues = new Map<number, BatchPublisher<PendingReceipt>>();
  /** Receipts of groups that wait for the owner's answer, by partition. */
  private readonly questions = new Map<number, GroupCommit<PendingReceipt>>();

  constructor(private readonly options: ReadReceiptsOptions) {}

  read(session: Session, requestId: number, { conversationId, seq }: ReadPayload): void {
    const { userId, deviceId } = session.identity!;
    const receipt = { userId, deviceId, conversationId, seq, connection: session.number, requestId };
    const parts = parseConversationId(conversationId);
    if (parts?.kind === "group") {
      if (!this.questionsOf(conversationId).add(receipt)) this.refuse([receipt], "BUSY");
    } else if (parts?.userIds.includes(userId)) this.submit(receipt);
    else this.refuse([receipt], "NO_SUCH_CONVERSATION");
  }

  /** Waits for the queue's answers to submitted receipts, at most `ms`. */
  async stop(ms: number): Promise<void> {
    await Promise.all([...this.queues.values()].map((queue) => queue.stop(ms)));
  }

  private submit(receipt: PendingReceipt): void {
    const { conversationId } = receipt;
    const partition = partitionOf(conversationId, this.options.partitions);
    const queue = getOrSet(this.queues, partition, () => this.open(receiptsSubject(partition)));
    if (!queue.submit(receipt)) this.refuse([receipt], "BUSY");
  }

  private questionsOf(conversationId: string): GroupCommit<PendingReceipt> {
    const partition = partitionOf(conversationId, this.options.partitions);
    return getOrSet(
      this.questions,
      partition,
      () =>
        new GroupCommit({
          commit: (receipts) => this.askOwner(partition, receipts),
          maxItems: MOST_PER_QUESTION,
          maxWaiting: MOST_WAITING,
        }),
    );
  }

  private async askOwner(partition: number, receipts: PendingReceipt[]): Promise<void> {
    const wanted = receipts.map(({ conversationId, userId }): [string, string] => [conversationId, userId]);
    try {
      const readable = await askOwner(this.options.bus, partition, { ask: "readable", wanted });
      receipts.forEach((receipt, i) => {
        if (readable[i]! > 0) this.submit(receipt);
        else this.refuse([receipt], "NO_SUCH_CONVERSATION");
      });
    } catch {
      this.refuse(receipts, "BUSY");
    }
  }

  private open(subject: string): BatchPublisher<PendingReceipt> {
    return new BatchPublisher<PendingReceipt>({
      bus: this.options.bus,
      subject,
      encode: encodeReceipts,
      sizeOf: () => 200,
      onStored: (receipts) => {
        for (const { connection, requestId } of receipts) {
          this.options.users.sessions.get(connection)?.reply(Command.OK, requestId, {});
        }
      },
      onRefused: (receipts) => this.refuse(receipts, "BUSY"),
    });
  }

  private refuse(receipts: PendingReceipt[], name: "BUSY" | "NO_SUCH_CONVERSATION"): void {
    for (const { connection, requestId } of receipts) {
      const error = name === "BUSY" ? busy() : new CarillonError(name);
      this.options.users.sessions.get(connection)?.replyError(requestId, error);
    }
  }
}
