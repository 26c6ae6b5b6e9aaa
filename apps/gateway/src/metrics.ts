import type { RequestListener } from "node:http";
import { Counter, createMetrics, Gauge, type Registry } from "@carillon/base/node";
import { pathOf } from "./accept/request-target";
import type { UserRegistry } from "./session/user-registry";

/** What the gateway counts, and the HTTP answers for health checks and Prometheus. */
export class GatewayMetrics {
  readonly delivered: Counter;
  readonly repairs: Counter;
  readonly resent: Counter;
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

  /** Answers GET /healthz, /readyz and /metrics. */
  serve(isReady: () => boolean): RequestListener {
    return (request, response) => {
      if (request.method !== "GET") return void response.writeHead(405).end();
      switch (pathOf(request.url)) {
        case "/healthz":
          return void response.writeHead(200, { "content-type": "application/json" }).end('{"status":"ok"}');
        case "/readyz":
          return void response
            .writeHead(isReady() ? 200 : 503, { "content-type": "application/json" })
            .end(JSON.stringify({ status: isReady() ? "ready" : "not ready" }));
        case "/metrics":
          return this.registry.metrics().then((text) => {
            response.writeHead(200, { "content-type": this.registry.contentType }).end(text);
          });
        default:
          return void response.writeHead(404).end();
      }
    };
  }
}
