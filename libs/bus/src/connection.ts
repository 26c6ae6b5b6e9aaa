/**
 * The connection to NATS. The defaults of the client library suit short jobs: they give up after 10 reconnects and
 * notice a dead server after minutes. This connection reconnects for ever and pings every 3 s. A process whose connection
 * closes anyway cannot do its work, and exits.
 */
import { type AccountRole, type Clock, ClusterClock, guarded, inboxOf, retryFor } from "@carillon/base";
import { type Logger, readTls, type Settings } from "@carillon/base/node";
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";

/** 2.9 lost acknowledged messages under kill -9, and 2.10 lacks security fixes; see docs/operating.md. */
export const LEAST_SERVER_VERSION = "2.14.3";

const CLOCK_EVERY_MS = 30_000;

/**
 * Deadline of one try, ms: a leader answers at once, a server during an election not at all, so the question is soon repeated.
 */
const ANSWER_MS = 2_000;

const CREATION_MS = 10_000;

/** Maximum time of all tries, ms: a NATS cluster elects another leader in 4 to 9 s, and a process that starts meanwhile waits. */
export const ELECTION_MS = 15_000;

export interface Bus {
  readonly connection: NatsConnection;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
  /** The same with a longer deadline, for slow requests to a NATS cluster: new streams and consumers. */
  readonly patientJsm: JetStreamManager;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Calls the listener when a lost connection is back. @returns an unsubscribe function */
  onReconnect(callback: () => void): () => void;
  /** Flushes all published messages and closes the connection. */
  close(): Promise<void>;
}

export interface BusOptions {
  settings: Settings["nats"];
  /** Whose account it is: no other role may listen to the answers. Default: the operator's. */
  role?: AccountRole;
  /** Name of the connection: the node id. */
  name: string;
  logger: Logger;
  /** Called when the connection closes although this process did not close it. */
  onLost?(error: Error | undefined): void;
}

/**
 * Connects, checks the server's version and its fsync setting (where its monitoring address is known), and reads
 * the cluster's clock.
 * @throws Error whose message tells the operator what to do
 */
export async function connectBus(options: BusOptions): Promise<Bus> {
  const { settings, role = "operator", name, logger } = options;
  const { servers, user, password, isEncrypted } = addressesOf(settings);
  // Even an empty object makes the client refuse a server that does not encrypt.
  const tls = readTls("nats.tls", settings.tls) ?? (isEncrypted ? {} : undefined);
  const connection = await connect({
    servers,
    ...(tls === undefined ? {} : { tls }),
    ...(user === undefined ? {} : { user, pass: password ?? "" }),
    name,
    inboxPrefix: `${inboxOf(role)}.${name}`,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 250,
    pingInterval: 3_000,
    maxPingOut: 2,
    timeout: 5_000,
    // The library keeps a stack trace for each request in case of a failure; that costs more than the request.
    noAsyncTraces: true,
  }).catch((error: Error) => {
    throw new Error(`cannot reach NATS at ${servers.join(", ")}: ${error.message}`);
  });
  checkVersion(connection.info?.version ?? "unknown");
  if (!settings.fsync) logger.warn("nats.fsync is off: a power loss may destroy messages that were confirmed");
  else if (settings.monitor !== undefined) await checkSyncAlways(settings.monitor, servers.length > 1, logger);
  const jsm = await retryFor(ELECTION_MS, () => jetstreamManager(connection, { timeout: ANSWER_MS }));
  const patientJsm = await jetstreamManager(connection, { timeout: CREATION_MS, checkAPI: false });
  const clock = new ClusterClock();
  const stopClock = followClock(connection, clock);
  let closing = false;
  connection.closed().then((error) => {
    stopClock();
    if (!closing) options.onLost?.(error ?? undefined);
  });
  const reconnectCallbacks = new Set<() => void>();
  void followStatus(connection, logger, reconnectCallbacks);
  const onReconnect = (callback: () => void) => {
    reconnectCallbacks.add(callback);
    return () => void reconnectCallbacks.delete(callback);
  };
  const close = async () => {
    closing = true;
    await connection.drain().catch(() => connection.close());
  };
  const js = jetstream(connection, { timeout: ANSWER_MS });
  return { connection, js, jsm, patientJsm, clock, logger, onReconnect, close };
}

/** Takes the credentials out of an address: the client library does not read them, and they must not appear in messages. */
function addressesOf(settings: Settings["nats"]): {
  servers: string[];
  user?: string;
  password?: string;
  isEncrypted: boolean;
} {
  let { user, password } = settings;
  let isEncrypted = false;
  const servers = settings.servers.map((address) => {
    const url = new URL(address.includes("://") ? address : `nats://${address}`);
    // The client library does not read this part of the address either.
    isEncrypted ||= url.protocol === "tls:";
    if (url.username !== "") {
      user ??= decodeURIComponent(url.username);
      password ??= decodeURIComponent(url.password);
    }
    return `${url.hostname}:${url.port || "4222"}`;
  });
  return {
    servers,
    isEncrypted,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
  };
}

function checkVersion(version: string): void {
  const numbers = (text: string) => text.split(/[.-]/).slice(0, 3).map(Number);
  const [have, need] = [numbers(version), numbers(LEAST_SERVER_VERSION)];
  const order = have.map((number, i) => number - need[i]!).find((difference) => difference !== 0) ?? 0;
  if (!(order >= 0)) {
    throw new Error(`NATS server ${version} is too old: ${LEAST_SERVER_VERSION} or newer is needed`);
  }
}

/** @param isCluster whether there are several servers: one of them may be down, and a process must start anyway */
async function checkSyncAlways(monitor: string, isCluster: boolean, logger: Logger): Promise<void> {
  const answer = await fetch(`${monitor}/jsz`).catch((error: Error) => {
    if (!isCluster) throw new Error(`cannot read the NATS monitor at ${monitor}: ${error.message}`);
    logger.warn({ monitor, err: error }, "it is unknown whether NATS fsyncs before it acknowledges");
  });
  if (answer === undefined) return;
  const { config } = (await answer.json()) as { config?: { sync_always?: boolean } };
  if (config?.sync_always !== true) {
    throw new Error("NATS does not fsync before it acknowledges: set `jetstream { sync_interval: always }`");
  }
}

/** Reads the server's clock now and every 30 s; every JetStream answer to an info request carries it. */
function followClock(connection: NatsConnection, clock: ClusterClock): () => void {
  const read = async () => {
    const sentAt = clock.monotonic();
    // Any stream is suitable. If it does not exist, the answer has no time, and the wall clock stays in use.
    const answer = await connection.request("$JS.API.STREAM.INFO.KV_cluster", undefined, { timeout: 2_000 });
    const { ts } = answer.json<{ ts?: string }>();
    if (ts !== undefined) clock.adjust(Date.parse(ts), sentAt, clock.monotonic());
  };
  const attempt = guarded("timer", () => read().catch(() => {}));
  attempt();
  const timer = setInterval(attempt, CLOCK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

async function followStatus(
  connection: NatsConnection,
  logger: Logger,
  reconnectCallbacks: ReadonlySet<() => void>,
): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === "disconnect") logger.warn("connection to NATS lost");
    else if (status.type === "reconnect") {
      logger.info("connection to NATS is back");
      for (const callback of reconnectCallbacks) guarded("listener", callback)();
    } else if (status.type === "error") logger.warn({ err: status.error }, "NATS reports an error");
  }
}
