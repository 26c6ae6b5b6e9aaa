/**
 * Harm to a cluster of three NATS servers: to the one that leads, to one that follows, to so many that no majority is
 * left, and to one after the other. Who was killed stays away until it is healed, as a machine does that died.
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
 * All streams and consumers with the name of the server that leads each, as the API of NATS calls them. Not the
 * consumers of one copy, with which logs are read: they are where they are.
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

/** Servers call themselves by their port (infra/nats.conf). */
const isCalled = (server: NatsServer, name: string | undefined) => name === `carillon-${server.port}`;

/**
 * The server that leads the cluster itself, by name: only it makes consumers and knows of all. Who may order it to step
 * down is the system account, which has no user here.
 */
const metaLeader = async ({ monitor }: NatsServer) => (await readJetStreamReport(monitor)).leader;

/** Whatever a server leads is led by the others, so that it follows only. */
async function relieve({ bus }: Stage, server: NatsServer, others: NatsServer[]): Promise<void> {
  await until(`${server.name} follows only`, async () => {
    // While something changes its leader, questions about it may have no answer.
    const led = (await leaders(bus).catch(() => undefined))?.filter(({ leader }) => isCalled(server, leader));
    const placement = { preferred: `carillon-${others[0]!.port}` };
    for (const { what } of led ?? []) {
      const order = bus.connection.request(`$JS.API.${what}`, JSON.stringify({ placement }), { timeout: STEP_DOWN_MS });
      await order.catch(() => {});
    }
    return led?.length === 0;
  });
}

/** kill -9, and the supervisor leaves it alone. @returns starts it again */
async function killAndKeepDown({ cluster }: Stage, servers: NatsServer[]): Promise<() => Promise<void>> {
  for (const { pid } of servers) if (pid !== undefined) process.kill(pid, "SIGKILL");
  await Promise.all(servers.map(({ name }) => cluster.stopNode(name)));
  // Together: one alone is not ready before there is a majority.
  return async () => void (await Promise.all(servers.map(({ name }) => cluster.startNode(name))));
}

/** The server that leads the log of a partition, or its queue, or the cluster itself. */
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

/** A server that leads nothing, since what it led was handed over. */
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

/** It comes back with all that it had in memory, and the belief that everybody else was away. */
const pauseNatsFollower: Fault = {
  async strike(stage, target) {
    const server = await followerOf(stage, target);
    server.pause();
    return { on: `${server.name}, follower of all`, at: performance.now(), heal: async () => server.resume() };
  },
};

/** Over only when nobody leads too much: one that comes back leads nothing. */
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
  // Whoever is handing over does not answer.
  const groups = await readLeaders(bus, cluster.info().workers.length).catch(() => undefined);
  return groups !== undefined && kindsOf(groups).every((kind) => crowdedServers(kind).length === 0);
}

/** So many servers that those left are no majority. */
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

/** SIGTERM and a start, one server after the other, each when the one before is level with the others. */
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
