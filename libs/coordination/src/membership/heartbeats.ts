/**
 * Suspicion: a first, cheap and revocable hint that a node is dead, seconds before its record expires.
 *
 * Every member publishes a beat on `im.hb.<role>`. Members of a judged role listen to their own role and look at it
 * several times between two beats: with each look the silence of every node of the view grows by the time since the
 * last one, and a beat ends it. A look counts only if our own beats come back through NATS and it was not late;
 * otherwise we are the one who is cut off or stalled, and would suspect all the others. Nothing that must be safe may rest on suspicion: it moves work early,
 * the work's own fence decides.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { Listeners } from "../listeners";
import type { NodeRecord } from "./node-record";
import { Pulse } from "./pulse";

/** A beat that is half a beat late is taken for missed. */
const MISSED_BEATS = 1.5;

export interface HeartbeatOptions {
  connection: NatsConnection;
  heartbeatMs: number;
  suspectMs: number;
  /** Whose members listen and judge. */
  roles: readonly string[];
  /** Nodes of the view. */
  nodes(role: string): NodeRecord[];
}

export class Heartbeats {
  /** By boot: a process may be several members. */
  private readonly pulses = new Map<string, Pulse>();
  private readonly listeners = new Listeners();
  private current = 0;

  /** @internal */
  constructor(private readonly options: HeartbeatOptions) {}

  /** Grows with each change of suspicion. */
  get version(): number {
    return this.current;
  }

  /** Begins to beat for a node, and to judge its role if that is a judged one; `join` does it. */
  start(role: string, nodeId: string, boot: string): void {
    const { connection, heartbeatMs, suspectMs, roles } = this.options;
    this.stop(boot);
    const pulse = new Pulse(role, nodeId, boot, {
      connection,
      heartbeatMs,
      suspectMs,
      judges: roles.includes(role),
      nodes: () => this.options.nodes(role),
      onChange: () => {
        this.current++;
        this.listeners.tell();
      },
    });
    this.pulses.set(boot, pulse);
  }

  /** Ends what `start` began. */
  stop(boot: string): void {
    this.pulses.get(boot)?.stop();
    this.pulses.delete(boot);
  }

  /** Whether the node of the view was not heard for `suspectMs`; always false for roles that are not judged here. */
  suspected(role: string, nodeId: string): boolean {
    return this.silenceOf(role, nodeId) >= this.options.suspectMs;
  }

  /** Whether a beat of the node was due and did not come: a hint to prepare, nothing more. */
  missed(role: string, nodeId: string): boolean {
    return this.silenceOf(role, nodeId) >= MISSED_BEATS * this.options.heartbeatMs;
  }

  private silenceOf(role: string, nodeId: string): number {
    const node = this.options.nodes(role).find((candidate) => candidate.nodeId === nodeId);
    if (node === undefined) return 0;
    const pulses = [...this.pulses.values()].filter((pulse) => pulse.role === role);
    return Math.max(0, ...pulses.map((pulse) => pulse.silenceOf(node.boot)));
  }

  /** Told when a node begins or ceases to be suspected. @returns ends the telling */
  onChange(callback: () => void): () => void {
    return this.listeners.add(callback);
  }

  /** @internal */
  close(): void {
    for (const boot of [...this.pulses.keys()]) this.stop(boot);
    this.listeners.clear();
  }
}
