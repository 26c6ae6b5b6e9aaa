import { silentLogger } from "@carillon/base/node";
import { type Answer, type Bus, encodeRequestBatch, RequestConsumer, type RequestConsumerOptions } from "@carillon/bus";
import { decodePayload, FrameDecoder } from "@carillon/protocol";
import type { FanOut } from "../src/fan-out/fan-out";
import { FactCache } from "../src/lookups/fact-cache";
import type { ArchivedMessage } from "../src/lookups/fact-source";
import { GroupCache } from "../src/lookups/group-cache";
import { PartitionJourney } from "../src/partition/journey";
import { newPartitionState } from "../src/partition/state";

const NOW = 1_800_000_000_000;
const AN_HOUR_AGO = (NOW - 3_600_000).toString(16).padStart(12, "0");
const request = {
  connection: 1,
  requestId: 1,
  senderId: "alice",
  clientMsgId: `${AN_HOUR_AGO.slice(0, 8)}-${AN_HOUR_AGO.slice(8)}-7000-8000-000000000001`,
  conversationId: "p:alice:bob",
  contentType: "text",
  content: "hello",
};
const archived: ArchivedMessage = {
  ...request,
  recalled: false,
  kind: "message",
  targetSeq: undefined,
  seq: 7,
  messageId: "385397351482654726",
  sentAt: NOW - 3_600_000,
};

/** A journey whose queue, log, fan-out and MySQL are in the hands of the test. */
function newJourney(source: { relations?: () => Promise<Map<string, "none">>; archive?: ArchivedMessage[] }) {
  let monotonic = 1_000;
  let consumer: RequestConsumerOptions | undefined;
  jest.spyOn(RequestConsumer.prototype, "start").mockImplementation(async function (this: RequestConsumer) {
    consumer = this["options"];
  });
  jest.spyOn(RequestConsumer.prototype, "stop").mockResolvedValue();
  const restart = jest.spyOn(RequestConsumer.prototype, "restart").mockReturnValue();
  const clock = { monotonic: () => monotonic, now: () => NOW };
  const bus = { clock, logger: silentLogger() } as unknown as Bus;
  const facts = new FactCache(
    {
      users: async (ids) => new Map(ids.map((id) => [id, { status: "normal" as const, mutedUntil: 0 }])),
      relations: source.relations ?? (async () => new Map()),
      lastSeqs: async () => new Map(),
      messagesById: async () => source.archive ?? [],
      retentionCut: async () => 0,
      recallTargets: async () => new Map(),
    },
    bus.logger,
    clock.monotonic,
  );
  const state = newPartitionState(0, NOW - 60_000);
  let hasRoom = Promise.resolve();
  const answers: Record<string, unknown>[] = [];
  const journey = new PartitionJourney({
    ...{ bus, boot: "w", facts, state },
    policy: { strangers: "allow", recallMs: 0, showsBefore: false, keepMs: Number.POSITIVE_INFINITY },
    groups: new GroupCache({ load: async () => new Map() }, state.groupChanges, clock.monotonic),
    writer: { streamLife: "l", append: async () => state.lastRecord + 1 } as never,
    fanOut: { position: -1, room: () => hasRoom, add: () => {} } as unknown as FanOut,
    downlink: {
      answers: (_gateway: string, _boot: string, given: Answer[]) => {
        for (const { frame } of given)
          for (const { payload } of new FrameDecoder().push(frame)) answers.push(decodePayload(payload) as never);
      },
    } as never,
    onVerdicts: () => {},
    onLost: () => {},
  });
  return {
    journey,
    answers,
    restart,
    hand: (isConfirmed = true) => {
      const data = encodeRequestBatch({ replyTo: "g", boot: "b", requests: [request] });
      consumer!.onBatch({ seq: 1, data, deliveries: 1, confirm: async () => isConfirmed });
    },
    /** The fan-out has no room until the result is called. */
    stall: () => {
      let release: () => void = () => {};
      hasRoom = new Promise((resolve) => {
        release = resolve;
      });
      return () => release();
    },
    pass: (ms: number) => {
      monotonic += ms;
    },
    source,
  };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 1));
}

test("what waits for MySQL is refused for now when the partition is given up", async () => {
  const { journey, hand, answers } = newJourney({ relations: () => new Promise(() => {}) });
  await journey.start();
  hand();
  await until(() => journey.parkedCount === 1);
  expect(answers).toEqual([]);
  await journey.stop();
  expect(answers).toEqual([expect.objectContaining({ name: "BUSY" })]);
});

test("what was asked before a long pause is asked again: the archive may have the message since, and the log no more", async () => {
  const { journey, hand, answers, stall, pass, source } = newJourney({});
  const release = stall();
  await journey.start();
  hand();
  await new Promise((resolve) => setTimeout(resolve, 20));
  source.archive = [archived];
  pass(30_000);
  release();
  await until(() => answers.length > 0);
  expect(answers).toEqual([expect.objectContaining({ seq: 7, messageId: archived.messageId })]);
  await journey.stop();
});

test("what waits for MySQL is forgotten when its batch is not confirmed: another owner may have it", async () => {
  let answer: (relations: Map<string, "none">) => void = () => {};
  const relations = () => new Promise<Map<string, "none">>((resolve) => (answer = resolve));
  const { journey, hand, answers, restart } = newJourney({ relations });
  await journey.start();
  hand(false);
  await until(() => restart.mock.calls.length > 0);
  expect(journey.parkedCount).toBe(0);
  answer(new Map());
  await new Promise((resolve) => setTimeout(resolve, 20));
  await journey.stop();
  expect(answers).toEqual([]);
});
