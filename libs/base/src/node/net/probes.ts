/**
 * The HTTP endpoints for orchestrators and Prometheus: GET /healthz, /readyz and /metrics. Gateways answer on their WebSocket
 * port, apis on their HTTP port; workers and archivers have a small server for these endpoints alone.
 */

import { createHash, timingSafeEqual } from "node:crypto";
import type { RequestListener } from "node:http";
import type { Registry } from "../metrics";
import { hostInAddress } from "./hosts";
import { createStrangersServer, listenOn } from "./listen";

const PATIENCE_MS = 5_000;

export interface Probes {
  registry: Registry;
  /** The conditions under which the process can do its work, by name. */
  checks: Record<string, () => boolean>;
  /** The token that a reader of the metrics must show; undefined: none. */
  metricsToken: string | undefined;
}

/** Answers probes; other requests get 404 or 405. */
export function answerProbes({ registry, checks, metricsToken }: Probes): RequestListener {
  const json = { "content-type": "application/json" };
  return (request, response) => {
    if (request.method !== "GET") return void response.writeHead(405).end();
    switch ((request.url ?? "/").split("?", 1)[0]) {
      case "/healthz":
        return void response.writeHead(200, json).end('{"status":"ok"}');
      case "/readyz": {
        const results = Object.fromEntries(Object.entries(checks).map(([name, check]) => [name, check()]));
        const isReady = Object.values(results).every(Boolean);
        const body = { status: isReady ? "ready" : "not ready", checks: results };
        return void response.writeHead(isReady ? 200 : 503, json).end(JSON.stringify(body));
      }
      case "/metrics":
        if (!mayReadMetrics(request.headers.authorization, metricsToken)) {
          return void response.writeHead(401, { "www-authenticate": "Bearer" }).end();
        }
        return registry.metrics().then((text) => {
          response.writeHead(200, { "content-type": registry.contentType }).end(text);
        });
      default:
        return void response.writeHead(404).end();
    }
  };
}

/**
 * Starts a server for probes alone.
 * @param port 0: any free one
 * @returns its address as a URL, and a function that stops it
 * @throws Error when it cannot listen there
 */
export async function serveProbes(
  probes: Probes,
  { host, port }: { host: string; port: number },
): Promise<{ http: string; close(): Promise<void> }> {
  const server = createStrangersServer({ patienceMs: PATIENCE_MS }, answerProbes(probes));
  const taken = await listenOn(server, host, port);
  // No other work depends on this server, so it does not keep the process alive.
  server.unref();
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { http: `http://${hostInAddress(host)}:${taken}`, close };
}

/** Access to the metrics of a process whose port strangers may reach as well. */

/**
 * @param authorization the header of the request
 * @param token the setting `metrics.token`; undefined: everybody may read
 */
export function mayReadMetrics(authorization: string | undefined, token: string | undefined): boolean {
  return token === undefined || timingSafeEqual(digest(authorization ?? ""), digest(`Bearer ${token}`));
}

const digest = (text: string) => createHash("sha256").update(text).digest();
