/** A request kills every worker that touches it: the partition continues without it, and operators can look at it. */
import { ROLES, uuidv7 } from "@carillon/base";
import {
  ask,
  askOwner,
  type Bus,
  decodeRequestBatch,
  nodeControl,
  readDeadLetter,
  replayDeadLetter,
} from "@carillon/bus";
import { Command } from "@carillon/protocol";
import { type Person, type RawClient, startTestCluster, type TestCluster, until } from "@carillon/testkit";
import { runCarillon } from "./fixtures/run-carillon";

const POISON = "this text kills workers";

let cluster: TestCluster;
let bus: Bus;
/** The state that the first test leaves to the second: a message that was put aside as letter 1, and its sender. */
let story: { alice: Person; bob: Person; poison: ReturnType<typeof message>; sender: RawClient; epoch: number };
beforeAll(async () => {
  cluster = await startTestCluster({
    counts: { gateway: 1, worker: 2, archiver: 1, api: 1 },
    partitions: 1,
    env: { CARILLON_FAILPOINT: `decide.before:kill:${POISON}` },
  });
  bus = await cluster.bus();
}, 300_000);
afterAll(() => cluster?.stop(), 60_000);

const carillon = (...args: string[]) => runCarillon(cluster, ...args);

/** Of the partition's owner: another one has another. */
const epoch = async () => {
  const state = () => askOwner(bus, 0, { ask: "state" });
  return (await until("an owner", () => state().catch(() => undefined))).epoch;
};

const message = (to: Person, content: string) => ({
  clientMsgId: uuidv7(Date.now()),
  to: `u:${to.userId}`,
  contentType: "text",
  content,
});

test("after the third death the request is put aside with the reason, its sender is told, and all others are served", async () => {
  const [alice, bob, carol] = [
    await cluster.person("alice"),
    await cluster.person("bob"),
    await cluster.person("carol"),
  ];
  const [sender, bystander] = [await cluster.online(alice, "tcp"), await cluster.online(carol, "ws")];
  const before = new Set(cluster.info().workers.map(({ pid }) => pid));
  const poison = message(bob, POISON);
  const killing = sender.send(Command.SEND, poison);
  const behind = message(bob, "behind it");
  const elsewhere = message(bob, "of somebody else");
  const first = sender.send(Command.SEND, behind);
  const second = bystander.send(Command.SEND, elsewhere);
  const answerTo = (client: typeof sender, requestId: number) =>
    until("the answer", () => client.frames.find((frame) => frame.requestId === requestId));
  /** An owner that has just come may say BUSY, since it knows nobody yet: then it is sent again. */
  const taken = async (client: typeof sender, payload: object, requestId: number): Promise<unknown> => {
    const answer = await answerTo(client, requestId);
    return answer.payload.name === "BUSY" ? taken(client, payload, client.send(Command.SEND, payload)) : answer;
  };
  expect(await answerTo(sender, killing)).toMatchObject({ command: Command.ERROR, payload: { name: "INTERNAL" } });
  expect(await taken(sender, behind, first)).toMatchObject({ command: Command.SENT, payload: { seq: 1 } });
  expect(await taken(bystander, elsewhere, second)).toMatchObject({ command: Command.SENT, payload: { seq: 1 } });

  const letter = await bus.jsm.streams.getMessage("DEAD", { last_by_subj: "im.dead.0" });
  expect(letter!.header.get("Carillon-Reason")).toBe("its worker died 3 times at this request");
  expect(decodeRequestBatch(letter!.data)).toMatchObject([{ senderId: alice.userId, content: POISON }]);
  expect((await bus.jsm.streams.info("DEAD")).state.messages).toBe(1);

  // The client that repeats it gets the same answer, and no worker dies of it any more.
  const pids = cluster.info().workers.map(({ pid }) => pid);
  expect(pids.some((pid) => !before.has(pid))).toBe(true);
  expect((await sender.request(Command.SEND, poison)).payload.name).toBe("INTERNAL");
  expect((await sender.request(Command.SEND, message(bob, "on we go"))).payload).toMatchObject({ seq: 2 });
  expect(cluster.info().workers.map(({ pid }) => pid)).toEqual(pids);
  story = { alice, bob, poison, sender, epoch: await epoch() };
}, 180_000);

test("a replay before the repair puts it aside again; a later replay is accepted once, under its own id", async () => {
  const { alice, bob, poison, sender } = story;
  const receiver = await cluster.online(bob, "ws");
  const replay = (id: number) => carillon("dead-letters", "replay", `${id}`);
  const letters = async () => (await carillon("dead-letters", "list")).document.letters as { id: number }[];
  const wasCareful = (await epoch()) === story.epoch;
  expect(await replay(1)).toMatchObject({ code: 0 });
  await until("it is put aside again", async () => (await letters()).some(({ id }) => id === 2));
  // One death is enough for an owner that is still careful. One to which the partition was handed over meanwhile is not.
  const reason = wasCareful ? "while it tried this request" : "its worker died 3 times at this request";
  expect(await letters()).toMatchObject([{ id: 2, reason: expect.stringContaining(reason) }]);
  expect((await sender.request(Command.SEND, poison)).payload.name).toBe("INTERNAL");

  const disarm = { ask: "failpoint", at: "off" } as const;
  for (const { nodeId } of cluster.info().workers) {
    const disarmed = () => ask(bus, nodeControl.to(ROLES.worker, nodeId), disarm).catch(() => undefined);
    await until(`${nodeId} is back and disarmed`, disarmed);
  }
  const { workers } = cluster.info();
  const letter = (await readDeadLetter(bus, 2))!;
  expect(await replay(2)).toMatchObject({ code: 0 });
  expect(await replay(2)).toMatchObject({ code: 2 });
  // Somebody whose answer was lost does it once more.
  await replayDeadLetter(bus, letter);
  const received = () => receiver.events.filter(({ event }) => event["clientMsgId"] === poison.clientMsgId);
  await receiver.until("the message", () => received().length > 0);
  const { event } = received()[0]!;
  expect(event).toMatchObject({ senderId: alice.userId, content: POISON, clientMsgId: poison.clientMsgId });

  // The sender's client repeats it by itself, and gets the number of the replay.
  const { conversationId, seq, messageId } = event;
  const again = await sender.request(Command.SEND, poison);
  const first = { clientMsgId: poison.clientMsgId, conversationId, seq, messageId, duplicate: true };
  expect(again).toMatchObject({ command: Command.SENT, payload: first });
  const last = await sender.request(Command.SEND, message(bob, "the last one"));
  expect(last.payload).toMatchObject({ seq: (seq as number) + 1 });
  await receiver.until("the last one", () => receiver.events.some(({ event }) => event["seq"] === last.payload.seq));
  // This device acknowledges nothing, so it may be sent the same number again; the message has one number.
  expect(new Set(received().map((each) => `${each.inboxSeq} ${each.event["seq"]}`)).size).toBe(1);
  expect(await letters()).toEqual([]);
  expect(cluster.info().workers).toEqual(workers);
}, 240_000);
