/** A whole cluster of real processes on free ports, and users for it. */
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { randomId, sleep } from "@carillon/base";
import { silentLogger } from "@carillon/base/node";
import { type Bus, connectBus } from "@carillon/bus";
import {
  type ClusterInfo,
  type ClusterOptions,
  findFreePortBlock,
  type RunningCluster,
  startCluster,
} from "@carillon/local";
import { type RawAddresses, RawClient, type RawTransport } from "../clients/raw-client";
import { TcpProxy } from "../proxy/tcp-proxy";

/** A user who is registered and logged in. */
export interface Person {
  userId: string;
  deviceId: string;
  token: string;
  refreshToken: string;
}

export interface HttpAnswer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: the shape is what the test is about
  body: any;
}

/** A gateway as clients are told of it. */
export interface Gateway {
  gatewayId: string;
  ws: string;
  tcp: string;
  udp: string;
}

export interface TestCluster {
  readonly running: RunningCluster;
  info(): ClusterInfo;
  /** Calls the HTTP API; the body is parsed. */
  http(method: string, path: string, options?: { body?: unknown; token?: string }): Promise<HttpAnswer>;
  /** Creates a user with one logged-in device. */
  person(name?: string): Promise<Person>;
  /** Logs in another device of a user. */
  device(person: Person, deviceId: string): Promise<Person>;
  /** Opens a device's connection at the right gateway and logs in. */
  online(person: Person, transport: RawTransport, extra?: Record<string, unknown>): Promise<RawClient>;
  /** Returns the addresses of the gateways for a user, the right gateway first. */
  route(person: Person): Promise<Gateway[]>;
  /** Returns what a raw client of a person needs to reach a gateway over a transport; for UDP that is a ticket. */
  addressesFor(person: Person, transport: RawTransport, gateway?: Gateway): Promise<Gateway & RawAddresses>;
  /** Returns the log of its processes. */
  logged(): Promise<Record<string, unknown>[]>;
  /** Opens a connection to the cluster's NATS; `stop` closes it. */
  bus(): Promise<Bus>;
  stop(): Promise<void>;
}

/** Offset of the port in a local cluster, above its base port. */
const NATS_PORT = 40;

/** Beginning of a log line of level "fatal". */
const FATAL = '{"level":60,';

/** A store refused what the account of a role may not do. */
const REFUSED = /Permissions Violation|NOPERM|_ACCESS_DENIED_ERROR|ER_(TABLE|COLUMN)ACCESS_DENIED/;

const BUSY_TRIES = 20;

export const PASSWORD = "correct horse battery";

/** Options of a test's cluster. */
export interface TestClusterOptions extends Partial<ClusterOptions> {
  /** Whether the test ends processes itself, so that they may log the reason. */
  mayFail?: boolean;
}

/**
 * Starts a cluster; `afterAll(() => cluster.stop())` stops it, and fails when one of its processes ended with an error of its
 * own. (The supervisor restarts such a process, and the test would continue without noticing.) Servers die with this process,
 * even after kill -9.
 */
export async function startTestCluster({ mayFail, ...options }: TestClusterOptions = {}): Promise<TestCluster> {
  const directory = await mkdtemp(path.join(tmpdir(), "carillon-cluster-"));
  const running = await startCluster({
    directory,
    basePort: await findFreePortBlock(50),
    counts: { gateway: 2, worker: 2, archiver: 1, api: 1 },
    // More than a small machine would have by default, so that bugs between partitions show.
    partitions: options.counts?.worker ?? 2,
    small: true,
    guardServers: true,
    ...options,
  } as ClusterOptions);
  const buses: Bus[] = [];
  const bus = async () => {
    const settings = { servers: [running.info().nats[0]!.url], fsync: true, replicas: 1 as const, streamMegabytes: 16 };
    const opened = await connectBus({ settings, name: "test", logger: silentLogger() });
    buses.push(opened);
    return opened;
  };
  const logFile = path.join(directory, "logs", "carillon.log");
  const stop = async () => {
    await Promise.all(buses.splice(0).map((opened) => opened.close()));
    await running.stop();
    const failures = await findFailures(logFile, mayFail === true);
    await rm(directory, { recursive: true, force: true });
    if (failures.length > 0) throw new Error(`processes of the cluster failed:\n${failures.join("\n")}`);
  };
  const info = () => running.info();
  const people = peopleAt(
    () => info().api,
    () => info().caFile,
  );
  return { ...people, running, info, logged: () => linesOf(logFile), bus, stop };
}

async function linesOf(file: string): Promise<Record<string, unknown>[]> {
  const lines = (await readFile(file, "utf8")).split("\n");
  return lines.filter((line) => line.startsWith("{") && line.endsWith("}")).map((line) => JSON.parse(line));
}

/**
 * Returns the lines of a log that say why a process has ended, and those of rights that a role lacks: the process may go on
 * without them, and nobody would notice.
 */
async function findFailures(file: string, mayEnd: boolean): Promise<string[]> {
  const lines = (await readFile(file, "utf8").catch(() => "")).split("\n");
  return lines.filter((line) => (!mayEnd && line.startsWith(FATAL)) || REFUSED.test(line));
}

/** A cluster in which all nodes of a role reach NATS through one proxy. */
export interface LinkedCluster extends TestCluster {
  readonly link: TcpProxy;
}

/** As `startTestCluster`. @param nodes beginning of the names of the nodes behind the proxy: `worker-` */
export async function startLinkedCluster(nodes: string, options: TestClusterOptions = {}): Promise<LinkedCluster> {
  const basePort = await findFreePortBlock(50);
  const link = await TcpProxy.open({ host: "127.0.0.1", port: basePort + NATS_PORT });
  const leadOverLink = { CARILLON_NATS_SERVERS: `nats://127.0.0.1:${link.port}` };
  const nodeEnv = (nodeId: string) => (nodeId.startsWith(nodes) ? leadOverLink : {});
  const cluster = await startTestCluster({ basePort, nodeEnv, ...options });
  const stop = async () => {
    await cluster.stop();
    await link.close();
  };
  return { ...cluster, link, stop };
}

interface ApiCall {
  method: string;
  headers: Record<string, string>;
  body?: string;
}

/** @param ca the authority of the api's certificate, in PEM: Node's own fetch can trust another one at its start only */
async function callApi(url: string, call: ApiCall, ca: string | undefined): Promise<{ status: number; text: string }> {
  if (ca === undefined) {
    const answer = await fetch(url, call);
    return { status: answer.status, text: await answer.text() };
  }
  const { body, ...options } = call;
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url, { ...options, ca }, resolve)
      .on("error", reject)
      .end(body);
  });
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return { status: answer.statusCode!, text: Buffer.concat(chunks).toString("utf8") };
}

/** Users of a running cluster. */
export interface People extends Pick<TestCluster, "http" | "person" | "device" | "online" | "route" | "addressesFor"> {
  /** As `http`, but repeats the call after the time that the answer names when there is no room for it. */
  patiently: TestCluster["http"];
}

/**
 * @param api returns the address of the api, which may change when the cluster starts again
 * @param caFile returns the file of the authority of a cluster with TLS
 */
export function peopleAt(api: () => string, caFile: () => string | undefined = () => undefined): People {
  const authority = () => {
    const file = caFile();
    return file === undefined ? undefined : readFileSync(file, "utf8");
  };
  const http: TestCluster["http"] = async (method, where, { body, token } = {}) => {
    const headers = {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    };
    const content = body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) };
    const { status, text } = await callApi(`${api()}${where}`, { method, headers, ...content }, authority());
    return { status, body: text === "" ? undefined : JSON.parse(text) };
  };
  /** A small machine cannot check fifty passwords at once, so users come again, as clients do. */
  const patiently: TestCluster["http"] = async (...call) => {
    for (let tries = 1; ; tries++) {
      const answer = await http(...call);
      if (![429, 503].includes(answer.status) || tries === BUSY_TRIES) return answer;
      await sleep(answer.body?.retryAfterMs ?? 500);
    }
  };
  const logIn = async (userId: string, deviceId: string): Promise<Person> => {
    const body = { userId, password: PASSWORD, deviceId, platform: "other" };
    const answer = await patiently("POST", "/v1/sessions", { body });
    if (answer.status !== 200) throw new Error(`log-in failed: ${JSON.stringify(answer)}`);
    return { userId, deviceId, token: answer.body.accessToken, refreshToken: answer.body.refreshToken };
  };
  const route: TestCluster["route"] = async ({ token }) => (await http("GET", "/v1/route", { token })).body.gateways;
  const addressesFor: TestCluster["addressesFor"] = async (person, transport, gateway) => {
    const there = gateway ?? (await route(person))[0]!;
    if (transport !== "udp") return there;
    const call = { token: person.token, body: { gatewayId: there.gatewayId } };
    const { status, body } = await http("POST", "/v1/udp-tickets", call);
    if (status !== 201) throw new Error(`no ticket: ${JSON.stringify(body)}`);
    return { ...there, ticket: body };
  };
  return {
    http,
    patiently,
    route,
    addressesFor,
    person: async (name = "user") => {
      const userId = `${name}-${randomId(8)}`;
      const answer = await patiently("POST", "/v1/users", { body: { userId, displayName: name, password: PASSWORD } });
      if (answer.status !== 201) throw new Error(`registration failed: ${JSON.stringify(answer)}`);
      return logIn(userId, "device-1");
    },
    device: ({ userId }, deviceId) => logIn(userId, deviceId),
    online: async (person, transport, extra = {}) => {
      const client = await RawClient.open(transport, await addressesFor(person, transport), authority());
      await client.connect({ token: person.token, deviceId: person.deviceId, ...extra });
      return client;
    },
  };
}
