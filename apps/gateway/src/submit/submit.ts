/** Puts requests of open sessions into the queue of their partition, and asks apis the questions PULL and SYNC. */
import { type Budgets, partitionOf } from "@carillon/base";
import { type Trace, traceOf } from "@carillon/base/node";
import {
  ask,
  BatchPublisher,
  type Bus,
  encodeRequestBatch,
  pullQuestion,
  type Question,
  queueSubject,
  type SendRequest,
  sizeOfRequest,
  syncQuestion,
} from "@carillon/bus";
import {
  busy,
  Command,
  encodePulledFrame,
  limits,
  type PullPayload,
  parseConversationId,
  parseTarget,
  type RecallPayload,
  type SendPayload,
  type SyncPayload,
} from "@carillon/protocol";
import type { GatewayCluster } from "../session/placement";
import type { Session } from "../session/session";
import type { UserRegistry } from "../session/user-registry";
import type { UserQuestions } from "./user-questions";

export interface SubmitterOptions {
  bus: Bus;
  nodeId: string;
  boot: string;
  partitions: number;
  questions: UserQuestions;
  /** Budgets of the messages that each user may send. */
  messages: Budgets;
  users: Pick<UserRegistry, "sessions">;
  /** Without its lease, the gateway takes no requests. */
  cluster: Pick<GatewayCluster, "hasLease">;
}

export class Submitter {
  private readonly queues: BatchPublisher<SendRequest>[];
  private readonly trace: Trace | undefined;

  constructor(private readonly options: SubmitterOptions) {
    this.trace = traceOf(options.bus.logger);
    this.queues = Array.from({ length: options.partitions }, (_, partition) => this.openQueue(partition));
  }

  /** Requests that wait for NATS. */
  get waiting(): number {
    return this.queues.reduce((sum, queue) => sum + queue.waiting, 0);
  }

  send(session: Session, requestId: number, { to, clientMsgId, contentType, content }: SendPayload): void {
    const { userId: senderId } = session.identity!;
    const { conversationId } = parseTarget(to, senderId)!;
    const { number: connection } = session;
    this.submit(session, {
      connection,
      requestId,
      senderId,
      clientMsgId,
      conversationId,
      contentType,
      content,
      targetSeq: undefined,
    });
  }

  recall(session: Session, requestId: number, { clientMsgId, conversationId, targetSeq }: RecallPayload): void {
    const { userId: senderId } = session.identity!;
    const parts = parseConversationId(conversationId);
    if (parts?.kind === "private" && !parts.userIds.includes(senderId)) {
      return session.refuse(requestId, "NO_SUCH_CONVERSATION");
    }
    const [connection, contentType, content] = [session.number, "system", ""];
    const message = { clientMsgId, conversationId, contentType, content, targetSeq };
    this.submit(session, { connection, requestId, senderId, ...message });
  }

  private submit(session: Session, request: SendRequest): void {
    const { partitions, messages, cluster } = this.options;
    const { requestId, senderId, conversationId } = request;
    const wait = messages.take(senderId);
    if (wait > 0) return session.refuse(requestId, "RATE_LIMITED", undefined, wait);
    if (!cluster.hasLease) return session.replyError(requestId, busy());
    const taken = this.queues[partitionOf(conversationId, partitions)]!.submit(request);
    if (!taken) return session.replyError(requestId, busy());
    const { content: _, contentType: __, ...message } = request;
    this.trace?.({ remote: session.connection.remote, ...message }, "a request was submitted");
  }

  async pull(session: Session, requestId: number, payload: PullPayload): Promise<void> {
    const { userId } = session.identity!;
    const { limit = limits.defaultPageEntries, backwards = false, ...range } = payload;
    await this.answer(session, requestId, async () => {
      const question = { userId, limit, backwards, ...range };
      const pulled = await this.ask(userId, "pull", pullQuestion, question);
      session.connection.send(encodePulledFrame(requestId, { conversationId: payload.conversationId, ...pulled }));
    });
  }

  async sync(session: Session, requestId: number, payload: SyncPayload): Promise<void> {
    const { userId } = session.identity!;
    await this.answer(session, requestId, async () => {
      const question = { userId, payload: { ...payload } };
      const synced = await this.ask(userId, "sync", syncQuestion, question);
      session.reply(Command.SYNCED, requestId, synced);
    });
  }

  /** Waits for the queues' answers to submitted requests, at most `ms`. */
  async stop(ms: number): Promise<void> {
    await Promise.all(this.queues.map((queue) => queue.stop(ms)));
  }

  private ask<Q, A>(userId: string, kind: "pull" | "sync", question: Question<Q, A>, body: Q): Promise<A> {
    const { bus, questions } = this.options;
    return questions.run(userId, kind, (deadlineMs) => ask(bus, question, body, deadlineMs));
  }

  private async answer(session: Session, requestId: number, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      session.replyError(requestId, error);
    }
  }

  private openQueue(partition: number): BatchPublisher<SendRequest> {
    const { bus, nodeId, boot } = this.options;
    return new BatchPublisher({
      bus,
      subject: queueSubject(partition),
      encode: (requests) => encodeRequestBatch({ replyTo: nodeId, boot, requests }),
      sizeOf: sizeOfRequest,
      onRefused: (requests) => this.refuseAll(requests),
    });
  }

  private refuseAll(items: { connection: number; requestId: number }[]): void {
    for (const { connection, requestId } of items) {
      this.options.users.sessions.get(connection)?.replyError(requestId, busy());
    }
  }
}
