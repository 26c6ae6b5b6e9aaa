/** A request that kills every worker that touches it: the partition goes on without it, and people can look at it. */
import { uuidv7 } from "@carillon/base";
import { type Bus, decodeRequestBatch, readRefusedRequests } from "@carillon/bus";
import { Command } from "@carillon/protocol";
import { type Person, startTestCluster, type TestCluster, until } from "@carillon/testkit";

const POISON = "this text kills workers";

let cluster: TestCluster;
let bus: Bus;
beforeAll(async () => {
  cluster = await startTestCluster({
    counts: { gateway: 1, worker: 2, archiver: 1, api: 1 },
    partitions: 1,
    env: { CARILLON_FAILPOINT: `decide.before:kill:${POISON}` },
  });
  bus = await cluster.bus();
}, 300_000);
afterAll(() => cluster?.stop(), 60_000);

const message = (to: Person, content: string) => ({
  clientMsgId: uuidv7(Date.now()),
  to: `u:${to.userId}`,
  contentType: "text",
  content,
});

test("after the third death it is put aside with the reason, its sender is told, and everyone else is served", async () => {
  const [alice, bob, carol] = [
    await cluster.person("alice"),
    await cluster.person("bob"),
    await cluster.person("carol"),
  ];
  const [sender, bystander] = [await cluster.online(alice, "tcp"), await cluster.online(carol, "ws")];
  const before = new Set(cluster.info().workers.map(({ pid }) => pid));
  const poison = message(bob, POISON);
  const killing = sender.send(Command.SEND, poison);
  const behind = sender.send(Command.SEND, message(bob, "behind it"));
  const elsewhere = bystander.send(Command.SEND, message(bob, "of somebody else"));
  const answerTo = (client: typeof sender, requestId: number) =>
    until("the answer", () => client.frames.find((frame) => frame.requestId === requestId));
  expect(await answerTo(sender, killing)).toMatchObject({ command: Command.ERROR, payload: { name: "INTERNAL" } });
  expect(await answerTo(sender, behind)).toMatchObject({ command: Command.SENT, payload: { seq: 1 } });
  expect(await answerTo(bystander, elsewhere)).toMatchObject({ command: Command.SENT, payload: { seq: 1 } });

  const letter = await bus.jsm.streams.getMessage("DEAD", { last_by_subj: "im.dead.0" });
  expect(letter!.header.get("Carillon-Reason")).toBe("its worker died 3 times at this request");
  expect(decodeRequestBatch(letter!.data)).toMatchObject([{ senderId: alice.userId, content: POISON }]);
  expect((await bus.jsm.streams.info("DEAD")).state.messages).toBe(1);
  // By this `carillon dead-letters replay` knows that it would be refused again.
  const refused = await readRefusedRequests(bus, 0);
  expect(refused).toMatchObject([{ senderId: alice.userId, clientMsgId: poison.clientMsgId }]);

  // The client that repeats it gets the same answer, and no worker dies of it any more.
  const pids = cluster.info().workers.map(({ pid }) => pid);
  expect(pids.some((pid) => !before.has(pid))).toBe(true);
  expect((await sender.request(Command.SEND, poison)).payload.name).toBe("INTERNAL");
  expect((await sender.request(Command.SEND, message(bob, "on we go"))).payload).toMatchObject({ seq: 2 });
  expect(cluster.info().workers.map(({ pid }) => pid)).toEqual(pids);
}, 180_000);
