import type { RequestListener } from "node:http";
import { answerProbes, Counter, createMetrics, Gauge, type Registry } from "@carillon/base/node";
import type { UserRegistry } from "./session/user-registry";

/** What the gateway counts, and the HTTP answers for health checks and Prometheus. */
export class GatewayMetrics {
  readonly delivered: Counter;
  readonly repairs: Counter;
  readonly resent: Counter;
  readonly refusedConnections: Counter<"why">;
  private readonly registry: Registry;

  constructor(nodeId: string, users: () => UserRegistry, waiting: () => number) {
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
    new Gauge({
      name: "carillon_connections",
      help: "Connections",
      registers,
      collect() {
        this.set(users().sessions.size);
      },
    });
    new Gauge({
      name: "carillon_users",
      help: "Users with a session here",
      registers,
      collect() {
        this.set(users().userCount);
      },
    });
    new Gauge({
      name: "carillon_requests_waiting",
      help: "Requests that wait for their queue",
      registers,
      collect() {
        this.set(waiting());
      },
    });
  }

  /**
   * Answers probes.
   * @param isReady whether the gateway has its place in the cluster
   * @param metricsToken what who reads the metrics has to show; undefined: nothing
   */
  serve(isReady: () => boolean, metricsToken: string | undefined): RequestListener {
    return answerProbes({ registry: this.registry, checks: { place: isReady }, metricsToken });
  }
}
