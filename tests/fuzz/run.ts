/**
 * Attacks a live cluster, with several attacks side by side, while bystanders chat. The inputs of an attack follow from the
 * seed and its number alone, so that one attack can be repeated; the timing between attacks cannot.
 */
import os from "node:os";
import { settlesWithin, sleep } from "@carillon/base";
import { type Person, startTestCluster, type TestCluster } from "@carillon/testkit";
import { type Attack, Finding, type Route, type Scene } from "./attack";
import { httpOddities, httpRoutes, upgrades } from "./attacks/http";
import { resets } from "./attacks/resets";
import { tcpFrames } from "./attacks/tcp";
import { datagrams } from "./attacks/udp";
import { jsonFrames, webSocketFrames, webSocketRules } from "./attacks/websocket";
import type { Latencies } from "./bystanders";
import { DistantBystanders } from "./distant-bystanders";
import { Random } from "./random";
import { ServerWatch } from "./watch";
import type { Place } from "./wire";

export const ATTACKS: Attack[] = [
  tcpFrames,
  webSocketFrames,
  jsonFrames,
  webSocketRules,
  upgrades,
  httpRoutes,
  httpOddities,
  resets,
  datagrams,
];

const LANES = 6;
/** The first messages of a new cluster are slow, so they are not measured. */
const WARM_UP_MS = 10_000;
const LOOK_EVERY_MS = 1_000;
/** An attack that lasts longer than this has found something that hangs, ms. */
const MOST_MS = 90_000;
/** Number of attacks after which an attacker gets a new account: its token expires, and its own requests may revoke it. */
const NEW_ATTACKER_EVERY = 200;

export interface FuzzOptions {
  seed: number;
  /** Ends after this number of inputs. */
  count: number;
  /** Ends after this time, ms. */
  ms: number;
  /** Number of the first attack. */
  from?: number;
  /** Ends after this number of attacks. */
  attacks?: number;
  /** Maximum number of inputs in a second; default: unlimited. */
  rate?: number;
  /** Only these attacks. */
  only?: string[];
  /** Time of chat before the attacks, for comparison, ms. */
  quietMs?: number;
  /**
   * Whether the attackers, which are this process, take only the CPU that the cluster leaves, since real attackers have
   * machines of their own. This lasts until the process ends.
   */
  yields?: boolean;
  onProgress?(progress: Progress): void;
}

interface Progress {
  inputs: number;
  attacks: number;
  seconds: number;
}

export interface FuzzResult extends Progress {
  byAttack: Record<string, number>;
  /** The fault, and the numbers of the attacks among which its cause is. */
  finding: { why: string; attacks: [first: number, last: number] } | undefined;
  /** Times of bystanders from sending to receiving, ms. */
  quiet: Latencies;
  attacked: Latencies;
}

/** Starts a cluster, attacks it and ends it. */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const cluster = await startTestCluster({
    mayFail: true,
    env: { CARILLON_LIMITS_REGISTRATIONS_PER_MINUTE: "1000000" },
  });
  try {
    return await new Run(cluster, options).run();
  } finally {
    await cluster.stop();
  }
}

class Run {
  private inputs = 0;
  private next: number;
  private readonly underWay = new Set<number>();
  private readonly byAttack: Record<string, number> = {};
  private finding: FuzzResult["finding"];
  private startedAt = 0;
  private isOver = false;
  /** Number of the oldest attack that was under way at the last look without a finding. */
  private suspectFrom: number;

  constructor(
    private readonly cluster: TestCluster,
    private readonly options: FuzzOptions,
  ) {
    this.next = options.from ?? 0;
    this.suspectFrom = this.next;
  }

  async run(): Promise<FuzzResult> {
    const { quietMs = 0, yields = false } = this.options;
    const bystanders = await DistantBystanders.open(this.cluster.info().api, (why) => this.found(why));
    if (yields) os.setPriority(os.constants.priority.PRIORITY_LOW);
    const watch = new ServerWatch(this.cluster);
    const routes = await routesOf(this.cluster);
    if (quietMs > 0) await sleep(WARM_UP_MS);
    await bystanders.takeLatencies();
    await sleep(quietMs);
    const quiet = await bystanders.takeLatencies();
    this.startedAt = performance.now();
    const lanes = Array.from({ length: LANES }, (_, lane) => this.attack(lane, routes));
    while (!(await settlesWithin(Promise.all(lanes), LOOK_EVERY_MS))) await this.look(watch);
    const attacked = await bystanders.takeLatencies();
    await this.look(watch);
    const lost = await bystanders.stop();
    if (lost > 0) this.found(`${lost} messages of bystanders were lost`);
    await this.look(watch);
    return { ...this.progress, byAttack: this.byAttack, finding: this.finding, quiet, attacked };
  }

  private get progress(): Progress {
    const seconds = (performance.now() - this.startedAt) / 1_000;
    return { inputs: this.inputs, attacks: this.next - (this.options.from ?? 0), seconds };
  }

  private async look(watch: ServerWatch): Promise<void> {
    const why = await watch.look();
    if (why !== undefined) this.found(why);
    this.suspectFrom = Math.min(this.next, ...this.underWay);
    this.isOver ||= this.progress.seconds * 1_000 >= this.options.ms;
    this.options.onProgress?.(this.progress);
  }

  private found(why: string): void {
    this.finding ??= { why, attacks: [this.suspectFrom, Math.max(this.suspectFrom, this.next - 1)] };
    this.isOver = true;
  }

  private async attack(lane: number, routes: Route[]): Promise<void> {
    const { seed, count, only, attacks: most = Number.POSITIVE_INFINITY } = this.options;
    const attacks = ATTACKS.filter(({ name }) => only?.includes(name) !== false);
    let scene = await this.newScene(lane, routes);
    for (let done = 1; !this.isOver; done++) {
      if (this.progress.attacks >= most) return;
      await this.awaitTurn();
      const number = this.next++;
      const random = new Random(seed * 1_000_003 + number);
      const { name, run } = random.pick(attacks);
      this.underWay.add(number);
      try {
        const running = run(random, scene);
        if (!(await settlesWithin(running, MOST_MS))) throw new Finding(`attack ${number} (${name}) hangs`);
        const inputs = await running;
        this.inputs += inputs;
        this.byAttack[name] = (this.byAttack[name] ?? 0) + inputs;
      } catch (error) {
        this.found(`attack ${number} (${name}): ${error instanceof Finding ? error.message : (error as Error).stack}`);
      }
      this.underWay.delete(number);
      this.isOver ||= this.inputs >= count;
      if (done % NEW_ATTACKER_EVERY === 0 && !this.isOver) scene = await this.newScene(lane, routes);
    }
  }

  private async awaitTurn(): Promise<void> {
    const { rate = Number.POSITIVE_INFINITY } = this.options;
    const aheadMs = (this.inputs / rate - this.progress.seconds) * 1_000;
    if (aheadMs > 0) await sleep(aheadMs);
  }

  private async newScene(lane: number, routes: Route[]): Promise<Scene> {
    const attacker: Person = await this.cluster.person("attacker");
    const { token } = attacker;
    const body = { name: "attackers", joinPolicy: "open" };
    const { groupId } = (await this.cluster.http("POST", "/v1/groups", { token, body })).body;
    const { gateways, api } = this.cluster.info();
    return {
      gateways: gateways.map(({ tcp, ws }) => ({ tcp: placeOf(tcp), ws: placeOf(new URL(ws).host) })),
      api: placeOf(new URL(api).host),
      from: `127.0.1.${lane + 1}`,
      attacker: { ...attacker, groupId },
      routes,
    };
  }
}

function placeOf(address: string): Place {
  const [host, port] = address.split(":") as [string, string];
  return { host, port: Number(port) };
}

interface OpenApi {
  paths: Record<
    string,
    Record<string, { requestBody?: { content: Record<string, { schema: { examples?: unknown[] } }> } }>
  >;
}

/** Returns the routes of the api, from its own documentation. */
async function routesOf(cluster: TestCluster): Promise<Route[]> {
  const { paths } = (await cluster.http("GET", "/docs/json")).body as OpenApi;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { requestBody }]) => {
      const [body] = requestBody?.content["application/json"]?.schema.examples ?? [];
      return { method: method.toUpperCase(), path, ...(body === undefined ? {} : { body }) };
    }),
  );
}
