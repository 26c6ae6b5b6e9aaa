import { type DeviceHistory, type Evidence, type MessageFacts, membersOf } from "../src";

const CONVERSATION = "p:alice:bob";

/** Returns message `seq` of the conversation; Alice and Bob take turns. */
export function message(seq: number): MessageFacts {
  return {
    conversationId: CONVERSATION,
    seq,
    messageId: `id-${seq}`,
    senderId: seq % 2 === 1 ? "alice" : "bob",
    clientMsgId: `client-${seq}`,
    content: `text ${seq}`,
  };
}

function device(userId: string, events: MessageFacts[]): DeviceHistory {
  return {
    name: `${userId}/phone`,
    userId,
    shown: events.map((event) => ({ ...event, at: event.seq, by: "deliver" })),
    deliveries: events.map(({ conversationId, seq }) => ({
      at: seq,
      connection: 1,
      epoch: "e1",
      inboxSeq: seq,
      conversationId,
      seq,
    })),
    reads: userId === "bob" ? [{ conversationId: CONVERSATION, seq: 3, answeredAt: 4 }] : [],
    marks: [{ kind: "read", conversationId: CONVERSATION, userId: "bob", seq: 3 }],
    resyncs: [],
    changes: [{ at: 0, online: true, gatewayId: "gateway-1" }],
  };
}

/** Returns the evidence of a run without a fault: six messages, two log records of two owners. */
export function goodEvidence(): Evidence {
  const events = [1, 2, 3, 4, 5, 6].map(message);
  const record = { partition: 0, at: 0, fanout: 0, events: [] };
  return {
    messages: events.map(({ senderId, conversationId, clientMsgId, content, seq, messageId }) => ({
      device: `${senderId}/phone`,
      senderId,
      conversationId,
      clientMsgId,
      content,
      order: seq,
      sentAt: seq - 0.5,
      repeated: false,
      answers: [{ at: seq, seq, messageId }],
      refusals: [],
    })),
    devices: membersOf(CONVERSATION).map((userId) => device(userId, events)),
    revoked: [
      {
        ...{ name: "bob/lost", answeredAt: 4, isConfirmed: true, closedAt: 4.5 },
        ...{ events: [1, 2, 4.4], reconnect: "TOKEN_REVOKED" },
      },
    ],
    log: [
      { ...record, seq: 1, epoch: 1, boot: "a", append: 1, covered: 0, kind: "epoch" },
      { ...record, seq: 2, epoch: 1, boot: "a", append: 2, covered: 3, kind: "events", events: events.slice(0, 3) },
      { ...record, seq: 3, epoch: 2, boot: "b", append: 1, covered: 3, kind: "epoch" },
      { ...record, seq: 4, epoch: 2, boot: "b", append: 2, covered: 6, kind: "events", events: events.slice(3) },
    ],
    archive: events.map((event) => ({ ...event, kind: "message" as const })),
    stays: [],
    fetched: [],
    recalled: [],
    inboxes: membersOf(CONVERSATION).map((userId) => ({
      userId,
      epoch: "e1",
      head: 6,
      events: events.map(({ conversationId, seq }) => ({ inboxSeq: seq, conversationId, seq, hasContent: true })),
    })),
    rows: [
      {
        ...{ userId: "alice", conversationId: CONVERSATION, lastSeq: 6, readSeq: 0, unread: 3 },
        ...{ peerReadSeq: 3, peerDeliveredSeq: 5 },
      },
      {
        ...{ userId: "bob", conversationId: CONVERSATION, lastSeq: 6, readSeq: 3, unread: 1 },
        ...{ peerReadSeq: 0, peerDeliveredSeq: 6 },
      },
    ],
    views: [
      {
        device: "bob/phone",
        rows: [
          {
            ...{ userId: "bob", conversationId: CONVERSATION, lastSeq: 6, readSeq: 3, unread: 1 },
            ...{ peerReadSeq: 0, peerDeliveredSeq: 6 },
          },
        ],
      },
    ],
    queues: [{ partition: 0, messages: 0, consumers: [{ name: "owner-2-1", pending: 0, ackPending: 0 }] }],
    peaks: [{ what: "memory of worker-1, MiB", most: 90, bound: 600 }],
  };
}
