/** Each line breaks a promise in one way, and names the invariant that must find it. */
import { checkEvidence, type Evidence, staysOf } from "../src";
import { goodEvidence, message } from "./good-evidence";

const bob = ({ devices }: Evidence) => devices.find(({ userId }) => userId === "bob")!;

test("a run without a fault has no violation", () => {
  expect(checkEvidence(goodEvidence())).toEqual([]);
});

test("a purged log, a resync and an overtaken repetition are no violations", () => {
  const evidence = goodEvidence();
  evidence.log.splice(0, 2);
  // Bob's device had to resync, fetched 3 and 4 itself, and received the others in a new epoch.
  const device = bob(evidence);
  device.shown = [1, 2, 5, 6, 3, 4].map((seq) => ({
    ...message(seq),
    at: seq,
    by: seq === 3 || seq === 4 ? "pull" : "deliver",
  }));
  device.resyncs = [4.5];
  device.deliveries = device.deliveries.map((each) =>
    each.seq > 4 ? { ...each, epoch: "e2", inboxSeq: each.seq - 4 } : each,
  );
  // A repeated message may come after later messages.
  Object.assign(evidence.messages[0]!, { order: 9, repeated: true });
  // The gateway sends unacknowledged events again over the same connection.
  device.deliveries.push(...device.deliveries.slice(-2));
  expect(checkEvidence(evidence)).toEqual([]);
});

const bad: [string, string, (evidence: Evidence) => void][] = [
  ["I1", "an acknowledged message is not in MySQL", ({ archive }) => archive.splice(5, 1)],
  [
    "I1",
    "another message stands in MySQL in its place",
    ({ archive }) => {
      archive[2] = { ...archive[2]!, clientMsgId: "other" };
    },
  ],
  [
    "I1",
    "an acknowledged message is nowhere",
    (all) => {
      all.archive.pop();
      all.log[3]!.events.pop();
      for (const device of all.devices) {
        device.shown.pop();
        device.deliveries.pop();
      }
    },
  ],
  ["I1", "one device never got the last message", (all) => bob(all).shown.pop()],
  [
    "I1",
    "nobody was answered, the log has it, one device does not",
    (all) => {
      all.messages[5]!.answers = [];
      bob(all).shown.pop();
    },
  ],
  [
    "I2",
    "a repetition was answered with another number",
    ({ messages }) => messages[0]!.answers.push({ at: 7, seq: 7, messageId: "id-7" }),
  ],
  [
    "I2",
    "a message is in the log twice",
    ({ log }) => log[3]!.events.push({ ...message(1), seq: 7, messageId: "id-7" }),
  ],
  ["I2", "a device showed a message twice", (all) => bob(all).shown.push({ ...message(6), at: 7, by: "deliver" })],
  ["I2", "fetched and told: shown twice", (all) => bob(all).shown.push({ ...message(2), at: 7, by: "pull" })],
  [
    "I3",
    "a device was told 5 before 4",
    (all) => {
      const { shown } = bob(all);
      [shown[3], shown[4]] = [shown[4]!, shown[3]!];
    },
  ],
  [
    "I3",
    "a device was told 4 after 2, and 3 it had to fetch though nobody said so",
    (all) => {
      bob(all).shown[2]!.by = "pull";
    },
  ],
  [
    "I3",
    "a device was told 4 after 2, long after a resync, and fetched 3 later",
    (all) => {
      bob(all).resyncs = [1.5];
      Object.assign(bob(all).shown[2]!, { by: "pull", at: 9 });
    },
  ],
  [
    "I3",
    "two devices disagree on number 3",
    (all) => {
      Object.assign(bob(all).shown[2]!, { messageId: "id-x", clientMsgId: "client-x" });
    },
  ],
  [
    "I3",
    "a device was shown another content",
    (all) => {
      bob(all).shown[2]!.content = "forged";
    },
  ],
  [
    "I3",
    "what one device sent first is numbered last",
    ({ messages }) => {
      messages[0]!.order = 9;
    },
  ],
  [
    "I4",
    "the log leaves a number out",
    (all) => {
      all.log[3]!.events.shift();
      all.archive.splice(3, 1);
    },
  ],
  [
    "I4",
    "a number is used twice in the log",
    ({ log }) => log[3]!.events.push({ ...message(6), messageId: "id-7", clientMsgId: "client-7" }),
  ],
  [
    "I4",
    "a number goes back after a take-over",
    ({ log }) => log[3]!.events.push({ ...message(2), messageId: "id-7", clientMsgId: "client-7" }),
  ],
  ["I4", "MySQL has a hole", ({ archive }) => archive.splice(2, 1)],
  [
    "I4",
    "a messageId is used twice",
    ({ log }) => {
      log[3]!.events[0]!.messageId = "id-1";
    },
  ],
  [
    "I5",
    "a former owner appends after the new epoch",
    ({ log }) => log.push({ ...log[1]!, seq: 5, append: 3, events: [] }),
  ],
  [
    "I5",
    "two boots write in one epoch",
    ({ log }) => {
      log[3]!.boot = "c";
    },
  ],
  [
    "I5",
    "an append is missing",
    ({ log }) => {
      log[3]!.append = 3;
    },
  ],
  [
    "I5",
    "an epoch begins without an epoch record",
    ({ log }) => {
      log[2]!.kind = "events";
    },
  ],
  [
    "I5",
    "covered goes back",
    ({ log }) => {
      log[3]!.covered = 2;
    },
  ],
  ["I6", "an inbox has a hole", ({ inboxes }) => inboxes[0]!.events.splice(2, 1)],
  ["I6", "an inbox lacks its newest event", ({ inboxes }) => inboxes[0]!.events.pop()],
  [
    "I6",
    "an inbox lacks a conversation",
    ({ inboxes }) => {
      Object.assign(inboxes[0]!, { events: [], head: 0 });
    },
  ],
  [
    "I6",
    "an inbox leaves out an event of a conversation",
    ({ inboxes }) => {
      inboxes[0]!.events[2]!.seq = 2;
    },
  ],
  ["I6", "an inbox lost its oldest events", ({ inboxes }) => inboxes[0]!.events.shift()],
  [
    "I6",
    "an inbox keeps too many",
    ({ inboxes }) => {
      const { events } = inboxes[0]!;
      events.unshift(...Array.from({ length: 1_000 }, (_, i) => ({ ...events[0]!, inboxSeq: i - 999 })));
    },
  ],
  ["I6", "a connection left a number out", (all) => bob(all).deliveries.splice(2, 1)],
  [
    "I6",
    "an inbox number was used twice",
    (all) => {
      bob(all).deliveries.push({ ...bob(all).deliveries[2]!, connection: 2, seq: 9 });
    },
  ],
  [
    "I7",
    "a queue keeps a message that no consumer knows",
    ({ queues }) => {
      queues[0]!.messages = 1;
    },
  ],
  [
    "I7",
    "a queue is not worked off",
    ({ queues }) => {
      queues[0]!.messages = 1;
      queues[0]!.consumers[0]!.pending = 1;
    },
  ],
  [
    "I8",
    "a consumer of a former owner is left",
    ({ queues }) => queues[0]!.consumers.push({ name: "owner-1-1", pending: 0, ackPending: 0 }),
  ],
  [
    "I8",
    "memory grew",
    ({ peaks }) => {
      peaks[0]!.most = 601;
    },
  ],
  [
    "I9",
    "a stranger was shown an event",
    ({ devices }) => {
      devices.push({ ...devices[0]!, name: "eve/phone", userId: "eve" });
    },
  ],
  [
    "I9",
    "a stranger's inbox got an event",
    ({ inboxes }) => {
      inboxes.push({ ...inboxes[0]!, userId: "eve" });
    },
  ],
  [
    "I9",
    "a revoked device was never closed",
    ({ revoked }) => {
      revoked[0]!.closedAt = undefined;
    },
  ],
  ["I9", "an event came to a revoked device after it was closed", ({ revoked }) => revoked[0]!.events.push(5)],
  [
    "I9",
    "a revoked token opened a session",
    ({ revoked }) => {
      revoked[0]!.reconnect = "CONNECTED";
    },
  ],
  [
    "I10",
    "a message was never taken",
    ({ messages }) => {
      messages[5]!.answers = [];
    },
  ],
];

test.each(bad)("%s: %s", (invariant, _what, breakIt) => {
  const evidence = goodEvidence();
  breakIt(evidence);
  expect(checkEvidence(evidence).map((each) => each.invariant)).toContain(invariant);
});

describe("receipts", () => {
  const row = (all: Evidence, userId: string) => all.rows.find((one) => one.userId === userId)!;
  const wrong: [string, string, (evidence: Evidence) => void][] = [
    ["I11", "an answered READ was lost", (all) => Object.assign(row(all, "bob"), { readSeq: 2, unread: 1 })],
    [
      "I11",
      "somebody has read what they never marked",
      (all) => Object.assign(row(all, "bob"), { readSeq: 5, unread: 0 }),
    ],
    ["I11", "unread counts too much", (all) => Object.assign(row(all, "alice"), { unread: 4 })],
    ["I11", "unread counts what was taken back", (all) => all.recalled.push({ conversationId: "p:alice:bob", seq: 2 })],
    ["I11", "the peer is told another mark", (all) => Object.assign(row(all, "alice"), { peerReadSeq: 2 })],
    [
      "I11",
      "what the peer has is not known to be delivered",
      (all) => Object.assign(row(all, "alice"), { peerDeliveredSeq: 3 }),
    ],
    ["I11", "a device shows another count", (all) => Object.assign(all.views[0]!.rows[0]!, { unread: 2 })],
    ["I11", "a device was told of a mark that nobody has set", (all) => Object.assign(bob(all).marks[0]!, { seq: 4 })],
    [
      "I9",
      "a device was told a mark of others",
      (all) => bob(all).marks.push({ kind: "read", conversationId: "p:alice:carol", userId: "carol", seq: 1 }),
    ],
  ];

  test.each(wrong)("%s: %s", (invariant, _, spoil) => {
    const evidence = goodEvidence();
    spoil(evidence);
    expect(checkEvidence(evidence).map((violation) => violation.invariant)).toContain(invariant);
  });

  test("a READ without an answer may have been executed, or not", () => {
    const evidence = goodEvidence();
    bob(evidence).reads[0]!.answeredAt = undefined;
    expect(checkEvidence(evidence)).toEqual([]);
  });
});

describe("a group", () => {
  const GROUP = "g:choir";
  /** Carol joins at 2, leaves at 4, and returns at 6; Dora is a member from the beginning. */
  const group = (): Evidence => {
    const evidence = goodEvidence();
    const rows = [1, 2, 3, 4, 5, 6, 7].map((seq) => ({
      ...message(seq),
      ...{ conversationId: GROUP, messageId: `g-${seq}`, clientMsgId: `g-${seq}`, senderId: "dora" },
      kind: "message" as const,
    }));
    const of = (userId: string, seqs: number[]) => ({
      ...{ name: `${userId}/phone`, userId, reads: [], marks: [], deliveries: [], resyncs: [], changes: [] },
      shown: seqs.map((seq) => ({ ...rows[seq - 1]!, at: seq, by: "deliver" as const })),
    });
    evidence.archive = [...evidence.archive, ...rows];
    evidence.stays = [
      { conversationId: GROUP, userId: "dora", from: 1, to: Number.POSITIVE_INFINITY },
      { conversationId: GROUP, userId: "carol", from: 2, to: 4 },
      { conversationId: GROUP, userId: "carol", from: 6, to: Number.POSITIVE_INFINITY },
    ];
    evidence.devices.push(of("dora", [1, 2, 3, 4, 5, 6, 7]), of("carol", [2, 3, 4, 6, 7]));
    const events = [2, 3, 4, 6, 7].map((seq, i) => ({
      ...{ inboxSeq: i + 1, conversationId: GROUP, seq, hasContent: true },
    }));
    evidence.inboxes.push({ userId: "carol", epoch: "e1", head: 5, events });
    return evidence;
  };
  const carol = ({ devices }: Evidence) => devices.find(({ userId }) => userId === "carol")!;

  test("has no violation when a member comes and goes", () => {
    expect(checkEvidence(group())).toEqual([]);
  });

  /** The events 3 to 7 happened while the group was large: inboxes contain only Carol's own joining and leaving. */
  const large = (): Evidence => {
    const evidence = group();
    evidence.fetched = [3, 4, 5, 6, 7].map((seq) => ({ conversationId: GROUP, seq }));
    const events = [2, 4, 6].map((seq, i) => ({
      ...{ inboxSeq: i + 1, conversationId: GROUP, seq, hasContent: true },
    }));
    Object.assign(evidence.inboxes.at(-1)!, { head: 3, events });
    return evidence;
  };

  test("is in inboxes only with the joins and leaves of their users while it is large", () => {
    expect(checkEvidence(large())).toEqual([]);
    const hole = large();
    Object.assign(hole.inboxes.at(-1)!, { head: 2, events: hole.inboxes.at(-1)!.events.slice(0, 2) });
    expect(checkEvidence(hole)).toMatchObject([{ invariant: "I6" }]);
    const unshown = large();
    carol(unshown).shown = carol(unshown).shown.filter(({ seq }) => seq !== 7);
    expect(checkEvidence(unshown)).toMatchObject([{ invariant: "I1" }]);
  });

  test("a recalled message has no content anywhere except on devices that showed it before", () => {
    const evidence = group();
    const target = { conversationId: GROUP, seq: 3 };
    evidence.recalled = [target];
    const wrong = checkEvidence(evidence).map(({ invariant, what }) => `${invariant} ${what}`);
    expect(wrong).toEqual([
      expect.stringContaining("MySQL has its content"),
      expect.stringContaining("the inbox of carol"),
    ]);
    evidence.archive.find(({ conversationId, seq }) => conversationId === GROUP && seq === 3)!.content = "";
    evidence.inboxes.at(-1)!.events.find(({ seq }) => seq === 3)!.hasContent = false;
    expect(checkEvidence(evidence)).toEqual([]);
  });

  test("the stays follow from the system events", () => {
    const event = (seq: number, content: object, senderId = "dora") => ({
      ...{ conversationId: GROUP, seq, kind: "system" as const, senderId, content: JSON.stringify(content) },
    });
    expect(
      staysOf([
        event(1, { type: "created", userIds: ["ann"] }),
        event(2, { type: "joined", userIds: ["carol"] }),
        event(4, { type: "removed", userIds: ["carol"] }),
        event(5, { type: "left" }, "ann"),
        event(6, { type: "joined", userIds: ["carol"] }),
      ]),
    ).toEqual([
      { conversationId: GROUP, userId: "dora", from: 1, to: Number.POSITIVE_INFINITY },
      { conversationId: GROUP, userId: "ann", from: 1, to: 5 },
      { conversationId: GROUP, userId: "carol", from: 2, to: 4 },
      { conversationId: GROUP, userId: "carol", from: 6, to: Number.POSITIVE_INFINITY },
    ]);
  });

  test.each<[string, string, (evidence: Evidence) => void]>([
    [
      "I9",
      "what was said while they were away reaches them",
      (all) =>
        all.inboxes.at(-1)!.events.splice(3, 0, { inboxSeq: 4, conversationId: GROUP, seq: 5, hasContent: true }),
    ],
    ["I9", "and is shown", (all) => carol(all).shown.splice(3, 0, { ...carol(all).shown[0]!, seq: 5 })],
    ["I1", "what was said since their return does not", (all) => carol(all).shown.pop()],
    [
      "I6",
      "nor is it in their inbox",
      (all) => Object.assign(all.inboxes.at(-1)!, { head: 4, events: all.inboxes.at(-1)!.events.slice(0, 4) }),
    ],
    ["I6", "their inbox has a hole inside a stay", (all) => all.inboxes.at(-1)!.events.splice(1, 1)],
    ["I3", "they are told with a hole inside a stay", (all) => carol(all).shown.splice(1, 1)],
  ])("%s: %s", (invariant, _, harm) => {
    const evidence = group();
    harm(evidence);
    expect(checkEvidence(evidence).map((violation) => violation.invariant)).toContain(invariant);
  });
});
