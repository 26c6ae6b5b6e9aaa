import { uuidv7 } from "@carillon/base";
import { CarillonError, type SendPayload, type SentPayload } from "@carillon/protocol";
import { ConnectionLost, NoAnswer } from "../src/connection/requests";
import { Listeners } from "../src/core";
import { Outbox, TRY_MS } from "../src/outbox/outbox";
import { KeptValues } from "../src/storage/kept-values";
import { MemoryStorage } from "../src/storage/storage";

type Transmit = (payload: SendPayload, timeoutMs: number) => Promise<SentPayload>;

const message = (content: string, to = "u:bob"): SendPayload => ({
  clientMsgId: uuidv7(1_700_000_000_000),
  to,
  contentType: "text",
  content,
});
const sent = ({ clientMsgId }: SendPayload, seq = 1): SentPayload => ({
  ...{ clientMsgId, seq, conversationId: "p:alice:bob", messageId: "m", sentAt: 1 },
});

function outboxOf(
  transmit: Transmit,
  storage = new MemoryStorage(),
  redate: (id: string) => string | undefined = () => undefined,
) {
  const calls: { content: string; timeoutMs: number }[] = [];
  const failed: string[] = [];
  const [added, arrived]: [string[], string[]] = [[], []];
  const errors: string[] = [];
  const redated: [string, string][] = [];
  const events = new Listeners(new AbortController().signal);
  events.on("redated", ({ from, to }) => void redated.push([from, to]));
  events.on("sending", ({ clientMsgId }) => void added.push(clientMsgId));
  events.on("sent", ({ clientMsgId }) => void arrived.push(clientMsgId));
  events.on("failed", ({ message: { content } }) => void failed.push(content));
  const outbox = new Outbox({
    storage,
    kept: new KeptValues(storage, (error) => void errors.push(error.message), new AbortController().signal),
    questions: {
      once: async <T>(_: number, payload: object, timeoutMs = 0) => {
        const message = payload as SendPayload;
        calls.push({ content: message.content, timeoutMs });
        return (await transmit(message, timeoutMs)) as T;
      },
    },
    clock: { redate },
    events,
    random: () => 0,
  });
  return { outbox, calls, failed, added, arrived, errors, redated, storage };
}

const turns = async () => {
  for (let i = 0; i < 50; i++) await Promise.resolve();
};

test("one message of a conversation is in flight at a time, and conversations do not wait for each other", async () => {
  const answers: (() => void)[] = [];
  const { outbox, calls } = outboxOf((payload) => new Promise((done) => answers.push(() => done(sent(payload)))));
  const all = [message("1"), message("2"), message("x", "u:carol")].map((one) => outbox.add(one));
  await turns();
  expect(calls.map(({ content }) => content)).toEqual(["1", "x"]);
  answers[0]!();
  await turns();
  expect(calls.map(({ content }) => content)).toEqual(["1", "x", "2"]);
  for (const answer of answers) answer();
  await Promise.all(all);
  expect(outbox.size).toBe(0);
});

test("after tries of 5, 10 and 20 s a message and all behind it count as not sent: they go in order or not at all", async () => {
  const { outbox, calls, failed } = outboxOf(async (payload, timeoutMs) => {
    if (payload.content === "other") return sent(payload);
    throw new NoAnswer("SEND", timeoutMs);
  });
  const [lost, next] = [outbox.add(message("lost")), outbox.add(message("next"))];
  const other = outbox.add(message("other", "u:carol"));
  await expect(lost).rejects.toMatchObject({ name: "UNAVAILABLE" });
  await expect(next).rejects.toMatchObject({ name: "UNAVAILABLE" });
  expect((await other).seq).toBe(1);
  expect(calls.filter(({ content }) => content !== "other").map(({ timeoutMs }) => timeoutMs)).toEqual([...TRY_MS]);
  expect(failed).toEqual(["lost", "next"]);
});

test("a refusal of one message does not refuse those behind it", async () => {
  const { outbox, failed } = outboxOf(async (payload) => {
    if (payload.content === "too long") throw new CarillonError("BAD_PAYLOAD");
    return sent(payload);
  });
  const [bad, good] = [outbox.add(message("too long")), outbox.add(message("good"))];
  await expect(bad).rejects.toMatchObject({ name: "BAD_PAYLOAD" });
  expect(await good).toMatchObject({ seq: 1 });
  expect(failed).toEqual(["too long"]);
});

test("an id dated by a wrong clock is replaced before it is sent, and the next run finds one message", async () => {
  const [storage, first] = [new MemoryStorage(), message("early")];
  const fresh = uuidv7(1_700_000_000_001);
  const redate = (id: string) => (id === first.clientMsgId ? fresh : undefined);
  const before = outboxOf(() => Promise.reject(new ConnectionLost()), storage, redate);
  before.outbox.add(first).catch(() => {});
  await turns();
  expect(before.redated).toEqual([[first.clientMsgId, fresh]]);
  before.outbox.stop();
  const after = outboxOf(async (payload) => sent(payload), storage, redate);
  await after.outbox.restore();
  after.outbox.online();
  await turns();
  expect([after.arrived, after.redated, await storage.keys()]).toEqual([[fresh], [], []]);
});

test("a lost connection is no try: the next session, or the one already open, sends the message again", async () => {
  let lose = 5;
  const { outbox, calls } = outboxOf(async (payload) => {
    if (lose-- > 0) throw new ConnectionLost();
    return sent(payload);
  });
  const result = outbox.add(message("patient"));
  await turns();
  expect(calls).toHaveLength(1);
  for (let session = 2; session <= 6; session++) {
    outbox.online();
    await turns();
    expect(calls).toHaveLength(session);
  }
  expect(await result).toMatchObject({ seq: 1 });

  let fail: (error: Error) => void = () => {};
  let first = true;
  const handedOver = outboxOf((payload) => {
    if (!first) return Promise.resolve(sent(payload));
    first = false;
    return new Promise((_, reject) => {
      fail = reject;
    });
  });
  const moved = handedOver.outbox.add(message("on the move"));
  await turns();
  handedOver.outbox.online();
  fail(new ConnectionLost());
  expect(await moved).toMatchObject({ seq: 1 });
});

test("a message is sent again after the time that BUSY names, and other refusals are final", async () => {
  jest.useFakeTimers();
  try {
    let busy = 2;
    const { outbox, calls } = outboxOf(async (payload) => {
      if (busy-- > 0) throw new CarillonError("BUSY", undefined, { retryAfterMs: 700 });
      return sent(payload);
    });
    const result = outbox.add(message("later"));
    await jest.advanceTimersByTimeAsync(699);
    expect(calls).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(1_000);
    expect(calls).toHaveLength(3);
    expect(await result).toMatchObject({ seq: 1 });
  } finally {
    jest.useRealTimers();
  }
  const { outbox, failed } = outboxOf(() => Promise.reject(new CarillonError("NOT_FRIENDS")));
  await expect(outbox.add(message("no"))).rejects.toMatchObject({ name: "NOT_FRIENDS" });
  expect(failed).toEqual(["no"]);
});

test("messages that an earlier run left unsent are sent in their order, and a waiting id is not added twice", async () => {
  const before = outboxOf(() => Promise.reject(new ConnectionLost()));
  for (const content of ["1", "2", "3"]) before.outbox.add(message(content)).catch(() => {});
  await turns();
  before.outbox.stop();
  const after = outboxOf(async (payload) => sent(payload), before.storage);
  await after.outbox.restore();
  expect(after.outbox.size).toBe(3);
  after.outbox.online();
  await turns();
  expect(after.calls.map(({ content }) => content)).toEqual(["1", "2", "3"]);
  expect(after.arrived).toHaveLength(3);
  expect(await after.storage.keys()).toEqual([]);
  const slow = outboxOf(async (payload) => sent(payload));
  const twice = message("twice");
  await Promise.all([slow.outbox.add(twice), slow.outbox.add(twice)]);
  expect(slow.calls).toHaveLength(1);
});

test("after a restart new messages wait behind the restored ones, and a refused id is reported once", async () => {
  const before = outboxOf(() => Promise.reject(new ConnectionLost()));
  for (const content of ["1", "2"]) before.outbox.add(message(content)).catch(() => {});
  await turns();
  before.outbox.stop();
  const after = outboxOf(async (payload) => {
    if (payload.content === "1") throw new CarillonError("CONFLICT");
    return sent(payload);
  }, before.storage);
  await after.outbox.restore();
  const fresh = after.outbox.add(message("3"));
  await fresh;
  expect(after.calls.map(({ content }) => content)).toEqual(["1", "2", "3"]);
  expect(after.failed).toEqual(["1"]);
  const third = outboxOf(async (payload) => sent(payload), before.storage);
  await third.outbox.restore();
  expect(third.outbox.size).toBe(0);
});

test("no message overtakes one that is being repeated, and other conversations do not wait", async () => {
  const lost = new Map([["first", 2]]);
  const { outbox, calls } = outboxOf(async (payload, timeoutMs) => {
    const left = lost.get(payload.content) ?? 0;
    lost.set(payload.content, left - 1);
    await turns();
    if (left > 0) throw new NoAnswer("SEND", timeoutMs);
    return sent(payload);
  });
  await Promise.all([message("first"), message("second"), message("other", "u:carol")].map((one) => outbox.add(one)));
  const order = calls.map(({ content }) => content).filter((content) => content !== "other");
  expect(order).toEqual(["first", "first", "first", "second"]);
  expect(calls.findIndex(({ content }) => content === "other")).toBeLessThan(3);
});

test("nothing is sent before the write; after a failed write or delete the message is still sent, and the app told", async () => {
  const storage = new MemoryStorage();
  let store: () => void = () => {};
  const set = jest.spyOn(storage, "set").mockImplementationOnce(
    () =>
      new Promise((resolve) => {
        store = resolve;
      }),
  );
  const { outbox, calls, failed, errors } = outboxOf(async (payload) => sent(payload), storage);
  const slow = outbox.add(message("slow"));
  await turns();
  expect(calls).toEqual([]);
  store();
  expect(await slow).toMatchObject({ seq: 1 });
  set.mockRejectedValueOnce(new Error("no space left"));
  expect(await outbox.add(message("unstored"))).toMatchObject({ seq: 1 });
  expect([calls.length, failed, errors]).toEqual([2, [], ["no space left"]]);
  jest.spyOn(storage, "delete").mockRejectedValueOnce(new Error("still no space"));
  expect(await outbox.add(message("next"))).toMatchObject({ seq: 1 });
  expect(errors).toEqual(["no space left", "still no space"]);
});
