/** Faults of Carillon's processes: they are killed, paused, killed at a fail point, drained, or joined by another process. */
import { ROLES, sleep } from "@carillon/base";
import { ask, type Bus, type ControlAnswer, nodeControl } from "@carillon/bus";
import type { ClusterInfo, Role } from "@carillon/local";
import { until } from "@carillon/testkit";
import { choose, type Fault, type Stage } from "./fault";

/** Names of roles in orders. */
const CONTROL_NAMES = { gateway: "gateway", worker: ROLES.worker, archiver: "archiver" } as const;

type OrderedRole = keyof typeof CONTROL_NAMES;

/** Time within which a dead process is back. */
const BACK_MS = 60_000;
/** Time within which a busy process passes the place where it must die. */
const PASSES_MS = 10_000;
/** A dying process closes its connections before it ends; this time counts as part of its death, ms. */
const DYING_MS = 100;
/** Time for a node to report its state. */
const STATE_MS = 700;
/** Time for which a clock that was an hour ahead is an hour back. */
const SHIFTED_BACK_MS = 4_000;

interface Node {
  nodeId: string;
  pid: number;
}

function nodesOf(info: ClusterInfo, role: Role): Node[] {
  return { gateway: info.gateways, worker: info.workers, archiver: info.archivers, api: info.apis }[role];
}

/**
 * Returns the processes at work: they answer, and a worker owns a partition. When no process answers, because NATS is away, it
 * returns all running processes.
 */
async function atWork({ cluster, bus }: Stage, role: Role): Promise<Node[]> {
  const nodes = nodesOf(cluster.info(), role);
  if (role === "api") return nodes;
  const answers = await Promise.all(nodes.map(({ nodeId }) => stateOf(bus, role, nodeId)));
  const found = nodes.filter((_, index) => answers[index]?.load["partitions"] !== 0 && answers[index] !== undefined);
  return found.length > 0 ? found : nodes;
}

async function stateOf(bus: Bus, role: OrderedRole, nodeId: string): Promise<ControlAnswer | undefined> {
  const control = nodeControl.to(CONTROL_NAMES[role], nodeId);
  try {
    return await ask(bus, control, { ask: "state" }, STATE_MS);
  } catch {
    return undefined;
  }
}

/** Resolves when the supervisor has restarted the process and it answers. */
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

/** Kills a process by kill -9; the supervisor restarts it. */
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

/** Kills all processes of a role by kill -9 at the same moment. */
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

/** Moves the wall clock of a process with `clock-preload.cjs`: an hour ahead at first, then an hour back. */
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

/** Kills or pauses a process exactly at a place of its journey, as soon as it passes there. */
export function failPoint(role: OrderedRole, place: string, action: "kill" | "pause"): Fault {
  return {
    async strike(stage, target) {
      const node = choose(await atWork(stage, role), target);
      if (node === undefined) return undefined;
      const control = nodeControl.to(CONTROL_NAMES[role], node.nodeId);
      try {
        await ask(stage.bus, control, { ask: "failpoint", at: `${place}:${action}` });
      } catch {
        // The process is starting or cut off, so it cannot take the order.
        return undefined;
      }
      const heal = async () => (action === "pause" ? wake(node) : void (await isBack(stage, role, node)));
      const at = action === "kill" ? await timeOfDeath(node) : undefined;
      return { on: `${node.nodeId} at ${place}`, ...(at !== undefined && { at }), heal };
    },
  };
}

/** @returns the last time at which the process was alive, monotonic ms; all effects of its death are later. Undefined: it lives */
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

/** Restarts a process by SIGTERM, which drains it. */
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

/** Restarts all processes of a role, one after the other. */
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

/** Adds a process, and removes it again. */
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
    // Another fault has ended the process meanwhile.
  }
}
