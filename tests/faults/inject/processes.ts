/** Harm to our own processes: killed, paused, killed at a fail point, drained, joined by another. */
import { ROLES, sleep } from "@carillon/base";
import { ask, type Bus, type ControlAnswer, type ControlQuestion, subjects } from "@carillon/bus";
import type { ClusterInfo, Role } from "@carillon/local";
import { until } from "@carillon/testkit";
import { choose, type Fault, type Stage } from "./fault";

/** How orders call a role. */
const CONTROL_NAMES = { gateway: "gateway", worker: ROLES.worker, archiver: "archiver" } as const;

type OrderedRole = keyof typeof CONTROL_NAMES;

/** Time in which a process that died is back. */
const BACK_MS = 60_000;
/** Time in which a process passes the place where it is to die: an idle one may not. */
const PASSES_MS = 10_000;
/** A process that dies closes its connections before it is gone: their ends belong to its death. */
const DYING_MS = 100;
/** Time for a node to say how it is. */
const STATE_MS = 700;
/** How long a clock that was an hour ahead is an hour back. */
const SHIFTED_BACK_MS = 4_000;

interface Node {
  nodeId: string;
  pid: number;
}

function nodesOf(info: ClusterInfo, role: Role): Node[] {
  return { gateway: info.gateways, worker: info.workers, archiver: info.archivers, api: info.apis }[role];
}

/**
 * Those that are at work: they answer, and a worker owns a partition. When nobody answers (NATS is away), all that run.
 */
async function atWork({ cluster, bus }: Stage, role: Role): Promise<Node[]> {
  const nodes = nodesOf(cluster.info(), role);
  if (role === "api") return nodes;
  const answers = await Promise.all(nodes.map(({ nodeId }) => stateOf(bus, role, nodeId)));
  const found = nodes.filter((_, index) => answers[index]?.load["partitions"] !== 0 && answers[index] !== undefined);
  return found.length > 0 ? found : nodes;
}

async function stateOf(bus: Bus, role: OrderedRole, nodeId: string): Promise<ControlAnswer | undefined> {
  const subject = subjects.control(CONTROL_NAMES[role], nodeId);
  try {
    return await ask<ControlQuestion, ControlAnswer>(bus, subject, { ask: "state" }, STATE_MS);
  } catch {
    return undefined;
  }
}

/** The supervisor has started it again, and it answers. */
const isBack = ({ cluster, bus }: Stage, role: Role, before: Node) =>
  until(
    `${before.nodeId} is back`,
    async () => {
      const after = nodesOf(cluster.info(), role).find(({ nodeId }) => nodeId === before.nodeId);
      if (after === undefined || after.pid === before.pid) return false;
      return role === "api" || (await stateOf(bus, role, before.nodeId)) !== undefined;
    },
    BACK_MS,
  );

/** kill -9; the supervisor starts it again. */
export function killProcess(role: Role): Fault {
  return {
    async strike(stage, target) {
      const node = choose(await atWork(stage, role), target);
      if (node === undefined) return undefined;
      const at = performance.now();
      process.kill(node.pid, "SIGKILL");
      return { on: node.nodeId, at, heal: async () => void (await isBack(stage, role, node)) };
    },
  };
}

/** kill -9 of all processes of a role at the same moment. */
export function killAll(role: Role): Fault {
  return {
    async strike(stage) {
      const nodes = nodesOf(stage.cluster.info(), role);
      for (const { pid } of nodes) process.kill(pid, "SIGKILL");
      const heal = async () => void (await Promise.all(nodes.map((node) => isBack(stage, role, node))));
      return { on: `all ${role}s`, heal };
    },
  };
}

export function pauseProcess(role: Role): Fault {
  return {
    async strike(stage, target) {
      const node = choose(await atWork(stage, role), target);
      if (node === undefined) return undefined;
      process.kill(node.pid, "SIGSTOP");
      return { on: node.nodeId, heal: async () => wake(node) };
    },
  };
}

/** Where `clock-preload.cjs` is in the process: its wall clock is an hour ahead at first, then an hour back. */
export function shiftClock(role: Role): Fault {
  return {
    async strike(stage, target) {
      const node = choose(await atWork(stage, role), target);
      if (node === undefined) return undefined;
      process.kill(node.pid, "SIGWINCH");
      const heal = async () => {
        process.kill(node.pid, "SIGWINCH");
        await sleep(SHIFTED_BACK_MS);
        process.kill(node.pid, "SIGWINCH");
      };
      return { on: node.nodeId, heal };
    },
  };
}

/** Killed or paused exactly at a place of its journey, as soon as it passes there. */
export function failPoint(role: OrderedRole, place: string, action: "kill" | "pause"): Fault {
  return {
    async strike(stage, target) {
      const node = choose(await atWork(stage, role), target);
      if (node === undefined) return undefined;
      const subject = subjects.control(CONTROL_NAMES[role], node.nodeId);
      try {
        await ask<ControlQuestion, unknown>(stage.bus, subject, { ask: "failpoint", at: `${place}:${action}` });
      } catch {
        // It is on its way up, or cut off: there is nobody to take the order.
        return undefined;
      }
      const heal = async () => (action === "pause" ? wake(node) : void (await isBack(stage, role, node)));
      const at = action === "kill" ? await timeOfDeath(node) : undefined;
      return { on: `${node.nodeId} at ${place}`, ...(at !== undefined && { at }), heal };
    },
  };
}

/** @returns when it was alive for the last time, monotonic ms: all that comes of its death is later; undefined when it lives on */
async function timeOfDeath({ pid }: Node): Promise<number | undefined> {
  let aliveAt = performance.now();
  const deadline = aliveAt + PASSES_MS;
  while (aliveAt < deadline) {
    await sleep(20);
    const lookedAt = performance.now();
    if (!isThere(pid)) return aliveAt - DYING_MS;
    aliveAt = lookedAt;
  }
  return undefined;
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** SIGTERM, which drains, and a start again. */
export function restartProcess(role: Role): Fault {
  return {
    async strike(stage, target) {
      const node = choose(await atWork(stage, role), target);
      if (node === undefined) return undefined;
      await stage.cluster.stopNode(node.nodeId);
      return { on: node.nodeId, heal: () => stage.cluster.startNode(node.nodeId) };
    },
  };
}

/** All processes of a role, one after the other. */
export function rollRole(role: Role): Fault {
  return {
    async strike({ cluster }) {
      for (const { nodeId } of nodesOf(cluster.info(), role)) {
        await cluster.stopNode(nodeId);
        await cluster.startNode(nodeId);
      }
      return { on: `all ${role}s, one by one`, heal: async () => {} };
    },
  };
}

/** One more process joins, and leaves again. */
export function joinRole(role: Role): Fault {
  return {
    async strike({ cluster }) {
      const nodeId = await cluster.addNode(role);
      return { on: `${nodeId} joins`, heal: () => cluster.stopNode(nodeId) };
    },
  };
}

function wake({ pid }: Node): void {
  try {
    process.kill(pid, "SIGCONT");
  } catch {
    // Another fault has ended it meanwhile.
  }
}
