import type { RequestListener } from "node:http";
import { answerProbes, Counter, createMetrics, Gauge, type Registry } from "@carillon/base/node";

/** Counts what the gateway does, and answers health checks and Prometheus over HTTP. */
export class GatewayMetrics {
  readonly delivered: Counter;
  readonly repairs: Counter;
  readonly resent: Counter;
  readonly refusedConnections: Counter<"why">;
  readonly droppedDatagrams: Counter<"why">;
  private readonly registry: Registry;

  constructor(nodeId: string) {
    this.registry = createMetrics("gateway", nodeId);
    const registers = [this.registry];
    this.delivered = new Counter({ name: "carillon_delivered_total", help: "Events written to devices", registers });
    const repairs = { name: "carillon_inbox_repairs_total", help: "Inboxes read because pushes were missing" };
    this.repairs = new Counter({ ...repairs, registers });
    const resent = {
      name: "carillon_resends_total",
      help: "Times that a device was sent everything unacknowledged again",
    };
    this.resent = new Counter({ ...resent, registers });
    this.refusedConnections = new Counter({
      name: "carillon_refused_connections_total",
      help: "Connections for which there was no place: in all, or for their address",
      labelNames: ["why"],
      registers,
    });
    this.droppedDatagrams = new Counter({
      name: "carillon_dropped_datagrams_total",
      help: "Datagrams without an answer: of no ticket, forged, or repeated",
      labelNames: ["why"],
      registers,
    });
  }

  /** Shows how many connections, users and waiting requests there are, at the moment when somebody reads the metrics. */
  observe(users: { sessions: { size: number }; userCount: number }, submitter: { waiting: number }): void {
    this.addGauge("carillon_connections", "Connections", () => users.sessions.size);
    this.addGauge("carillon_users", "Users with a session here", () => users.userCount);
    this.addGauge("carillon_requests_waiting", "Requests that wait for their queue", () => submitter.waiting);
  }

  /**
   * Answers probes and gives the metrics.
   * @param cluster this gateway is ready while it has its lease
   * @param metricsToken the token that a reader of the metrics has to show; undefined: none
   */
  serve(cluster: { hasLease: boolean }, metricsToken: string | undefined): RequestListener {
    return answerProbes({ registry: this.registry, checks: { place: () => cluster.hasLease }, metricsToken });
  }

  private addGauge(name: string, help: string, value: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(value());
      },
    });
  }
}
