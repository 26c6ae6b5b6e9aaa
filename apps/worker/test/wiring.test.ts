import { silentLogger } from "@carillon/base/node";
import { type Bus, encodeLogBody, logStream, logSubject, ownerSubject } from "@carillon/bus";
import { until } from "@carillon/testkit";
import { newOwnership } from "../src/partition/own-partitions";
import type { WorkerPorts } from "../src/ports";

test("a partition's owner is looked for in its own log, and asked for it under its own subject", async () => {
  const [read, asked] = [new Set<string>(), new Set<string>()];
  const lastRecord = {
    seq: 9,
    subject: logSubject(2),
    time: new Date(0),
    header: { get: () => "3 other-boot 1 5 5 life" },
    data: encodeLogBody({ kind: "events", events: [] }),
  };
  const bus = {
    logger: silentLogger(),
    clock: { now: () => 60_000, monotonic: () => performance.now() },
    jsm: {
      streams: {
        getMessage: async (stream: string) => {
          read.add(stream);
          return lastRecord;
        },
      },
    },
    connection: {
      request: async (subject: string) => {
        asked.add(subject);
        throw new Error("the owner does not answer");
      },
    },
  } as unknown as Bus;
  const ownership = newOwnership({
    ...{ bus, nodeId: "worker-1", boot: "mine", partitions: 4 },
    placement: {
      isMine: (partition) => partition === 2,
      willBeMine: () => false,
      hasSuccessor: () => false,
      isAlive: () => true,
      isPresent: () => true,
    },
    post: async () => {},
  } as Partial<WorkerPorts> as WorkerPorts);
  ownership.start();
  await until("the owner was asked", () => asked.size > 0);
  await ownership.stop();
  expect([[...read], [...asked]]).toEqual([[logStream(2)], [ownerSubject(2)]]);
});
