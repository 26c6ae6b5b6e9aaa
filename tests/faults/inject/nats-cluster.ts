/**
 * Faults of a cluster of three NATS servers: of the leader, of a follower, of so many that no majority is left, and of one
 * server after the other. A killed server stays away until the fault is healed, as a dead machine does.
 */
import { type Bus, crowdedServers, kindsOf, logStream, queueStream, readJetStreamReport } from "@carillon/bus";
import { type NatsServer, natsServersOf } from "@carillon/local";
import { readLeaders } from "@carillon/operations";
import { until } from "@carillon/testkit";
import { choose, type Fault, type Stage } from "./fault";

const HEALTHY_MS = 60_000;
const STEP_DOWN_MS = 2_000;
const SPREAD_MS = 180_000;
const META = "the cluster itself";

const serversOf = ({ cluster }: Stage) => natsServersOf(cluster.servers);

/**
 * Returns all streams and consumers with the name of their leader, as the API of NATS calls it. Consumers with one copy, which
 * read logs, are left out: they cannot move.
 */
async function leaders({ jsm }: Bus): Promise<{ what: string; leader: string | undefined }[]> {
  const found: { what: string; leader: string | undefined }[] = [];
  for await (const { config, cluster } of jsm.streams.list()) {
    found.push({ what: `STREAM.LEADER.STEPDOWN.${config.name}`, leader: cluster?.leader });
    for await (const { name, cluster: group } of jsm.consumers.list(config.name)) {
      if ((group?.replicas ?? []).length === 0) continue;
      found.push({ what: `CONSUMER.LEADER.STEPDOWN.${config.name}.${name}`, leader: group?.leader });
    }
  }
  return found;
}

/** The names of servers contain their ports (infra/nats.conf). */
const isCalled = (server: NatsServer, name: string | undefined) => name === `carillon-${server.port}`;

/**
 * Returns the name of the server that leads the cluster itself: only that server creates consumers and knows all of them. Only
 * the system account may order it to step down, and that account has no user here.
 */
const metaLeader = async ({ monitor }: NatsServer) => (await readJetStreamReport(monitor)).leader;

/** Moves everything that a server leads to the other servers. */
async function relieve({ bus }: Stage, server: NatsServer, others: NatsServer[]): Promise<void> {
  await until(`${server.name} follows only`, async () => {
    // While a stream changes its leader, questions about it may have no answer.
    const led = (await leaders(bus).catch(() => undefined))?.filter(({ leader }) => isCalled(server, leader));
    const placement = { preferred: `carillon-${others[0]!.port}` };
    for (const { what } of led ?? []) {
      const order = bus.connection.request(`$JS.API.${what}`, JSON.stringify({ placement }), { timeout: STEP_DOWN_MS });
      await order.catch(() => {});
    }
    return led?.length === 0;
  });
}

/** Kills a server by kill -9; the supervisor does not restart it. @returns a function that starts it again */
async function killAndKeepDown({ cluster }: Stage, servers: NatsServer[]): Promise<() => Promise<void>> {
  for (const { pid } of servers) if (pid !== undefined) process.kill(pid, "SIGKILL");
  await Promise.all(servers.map(({ name }) => cluster.stopNode(name)));
  // The servers start together, since one alone is not ready before there is a majority.
  return async () => void (await Promise.all(servers.map(({ name }) => cluster.startNode(name))));
}

/** Returns the server that leads the log of a partition, or its queue, or the cluster itself. */
export const killNatsLeader: Fault = {
  async strike(stage, target) {
    const servers = serversOf(stage);
    const partitions = stage.cluster.info().workers.length;
    const streams = Array.from({ length: partitions }, (_, p) => [logStream(p), queueStream(p)]).flat();
    const led = choose([...streams, META], target)!;
    const leader =
      led === META ? await metaLeader(servers[0]!) : (await stage.bus.jsm.streams.info(led)).cluster?.leader;
    const server = servers.find((each) => isCalled(each, leader));
    if (server === undefined) return undefined;
    const at = performance.now();
    const heal = await killAndKeepDown(stage, [server]);
    return { on: `${server.name}, leader of ${led}`, at, heal };
  },
};

/** Returns a server that leads nothing, after it has handed over everything that it led. */
async function followerOf(stage: Stage, target: number): Promise<NatsServer> {
  const servers = serversOf(stage);
  const leader = await metaLeader(servers[0]!);
  const server = choose(
    servers.filter((each) => !isCalled(each, leader)),
    target,
  )!;
  await relieve(
    stage,
    server,
    servers.filter((each) => each !== server),
  );
  return server;
}

export const killNatsFollower: Fault = {
  async strike(stage, target) {
    const server = await followerOf(stage, target);
    const at = performance.now();
    const heal = await killAndKeepDown(stage, [server]);
    return { on: `${server.name}, follower of all`, at, heal };
  },
};

/** A paused server returns with all its memory, and with the belief that all other servers were away. */
const pauseNatsFollower: Fault = {
  async strike(stage, target) {
    const server = await followerOf(stage, target);
    server.pause();
    return { on: `${server.name}, follower of all`, at: performance.now(), heal: async () => server.resume() };
  },
};

/** The fault is over only when no server leads too much, since a server that comes back leads nothing. */
function untilSpread(fault: Fault): Fault {
  return {
    async strike(stage, target) {
      const struck = await fault.strike(stage, target);
      if (struck === undefined) return undefined;
      const heal = async () => {
        await struck.heal();
        const backAt = performance.now();
        await until("no NATS server leads far more than its share", () => isSpread(stage), SPREAD_MS);
        return performance.now() - backAt;
      };
      return { ...struck, heal };
    },
  };
}

export const natsServerReturns = untilSpread(killNatsFollower);
export const natsServerGoesOn = untilSpread(pauseNatsFollower);

async function isSpread({ bus, cluster }: Stage): Promise<boolean> {
  // A server that is handing over does not answer.
  const groups = await readLeaders(bus, cluster.info().workers.length).catch(() => undefined);
  return groups !== undefined && kindsOf(groups).every((kind) => crowdedServers(kind).length === 0);
}

/** Kills so many servers that the others are no majority. */
export function killNatsServers(count: number): Fault {
  return {
    async strike(stage, target) {
      const all = serversOf(stage);
      const struck = all.map((_, i) => all[(target + i) % all.length]!).slice(0, count);
      const at = performance.now();
      const heal = await killAndKeepDown(stage, struck);
      return { on: struck.map(({ name }) => name).join(" and "), at, heal };
    },
  };
}

/** Restarts one server after the other by SIGTERM, each when the previous server has caught up. */
export const rollNatsServers: Fault = {
  async strike(stage) {
    for (const { name, monitor } of serversOf(stage)) {
      await stage.cluster.stopNode(name);
      await stage.cluster.startNode(name);
      const isLevel = async () => (await fetch(`${monitor}/healthz`)).ok;
      await until(`${name} is level with the others`, isLevel, HEALTHY_MS);
    }
    return { on: "all nats servers, one by one", heal: async () => {} };
  },
};
