/**
 * Suspicion: an early, cheap and revocable hint that a node is dead, seconds before its record expires.
 *
 * Every member publishes a heartbeat on `im.hb.<role>`. Members of a judged role listen to their own role and look several
 * times between two heartbeats. With each look the silence of every node of the view grows by the time since the last look; a
 * heartbeat ends it. A look counts only if it was not late and the member's own heartbeats come back through NATS. Otherwise
 * the member itself is cut off or stalled, and would suspect all others. Safety may never rest on suspicion: suspicion moves
 * work early, and the fence of the work decides.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { Listeners } from "../listeners";
import type { NodeRecord } from "./node-record";
import { Pulse } from "./pulse";

/** A heartbeat that is late by half an interval counts as missed. */
const MISSED_BEATS = 1.5;

export interface HeartbeatOptions {
  connection: NatsConnection;
  heartbeatMs: number;
  suspectMs: number;
  /** Roles whose members listen and judge. */
  roles: readonly string[];
  /** Nodes of the view. */
  nodes(role: string): NodeRecord[];
}

export class Heartbeats {
  /** Pulses by boot: a process may be several members. */
  private readonly pulses = new Map<string, Pulse>();
  private readonly listeners = new Listeners();
  private current = 0;

  /** @internal */
  constructor(private readonly options: HeartbeatOptions) {}

  /** Grows with each change of suspicion. */
  get version(): number {
    return this.current;
  }

  /** Begins to send heartbeats for a node, and to judge its role if that is a judged role; `join` calls it. */
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
        this.listeners.notify();
      },
    });
    this.pulses.set(boot, pulse);
  }

  /** Stops everything that `start` began. */
  stop(boot: string): void {
    this.pulses.get(boot)?.stop();
    this.pulses.delete(boot);
  }

  /** Whether the node of the view was silent for `suspectMs`; always false for roles that this process does not judge. */
  suspected(role: string, nodeId: string): boolean {
    return this.silenceOf(role, nodeId) >= this.options.suspectMs;
  }

  /** Whether a heartbeat of the node was due and did not come: only a hint to prepare. */
  missed(role: string, nodeId: string): boolean {
    return this.silenceOf(role, nodeId) >= MISSED_BEATS * this.options.heartbeatMs;
  }

  private silenceOf(role: string, nodeId: string): number {
    const node = this.options.nodes(role).find((candidate) => candidate.nodeId === nodeId);
    if (node === undefined) return 0;
    const pulses = [...this.pulses.values()].filter((pulse) => pulse.role === role);
    return Math.max(0, ...pulses.map((pulse) => pulse.silenceOf(node.boot)));
  }

  /** Calls the listener when suspicion of a node begins or ends. @returns an unsubscribe function */
  onChange(callback: () => void): () => void {
    return this.listeners.add(callback);
  }

  /** @internal */
  close(): void {
    for (const boot of [...this.pulses.keys()]) this.stop(boot);
    this.listeners.clear();
  }
}
