/** One run of the simulation: three workers, queues, logs, stores, an archiver, users, and faults. */
import type { FailAction } from "@carillon/base/node";
import { endOfRecord, recordSeqOf } from "@carillon/bus";
import { purgePartition } from "../../apps/archiver/dist/purge/purge";
import type { Placement } from "../../apps/worker/dist/ports";
import { Clients, USERS } from "./clients";
import { Connection, type Network } from "./connection";
import type { Coverage } from "./coverage";
import { SimGateway } from "./gateway";
import { GROUP_CONVERSATION, SimGroups } from "./groups";
import { LogObserver } from "./observer";
import type { Random } from "./random";
import { SimWorker } from "./sim-worker";
import { SimMysql, SimRedis } from "./stores";
import { Stream } from "./streams";
import { VirtualTime } from "./virtual-time";

const WORKERS = 3;
/** One run in this number has several partitions, which shows mix-ups of partitions; other bugs show in fewer steps with one. */
const SEVERAL_IN = 3;
const SEVERAL = 4;
const SUSPECT_MS = 2_000;
const MISSED_MS = 750;
const RESTART_MS = 700;
/** An answer follows its record at once, but for a pause of the link. */
const ANSWERED_MS = 8_000;
const REPLAY_WINDOW_MS = 3_000;
const START = Date.UTC(2026, 0, 1);
/** One request: it is narrowed down, tried three times, then alone; other failures may come between. */
const MOST_DEATHS = 12;
/** Core NATS drops messages that no process could take. */
const WORDS_LOST = 0.03;

interface Slot {
  worker: SimWorker;
  /** Time at which the worker fell silent; undefined while it is heard. */
  silentSince: number | undefined;
  /** The partitions that the worker believes to own: a worker that hears nothing keeps its belief. */
  readonly believes: Set<number>;
}

export class World {
  readonly time = new VirtualTime();
  readonly redis = new SimRedis(() => this.time.now);
  readonly mysql = new SimMysql();
  readonly network: Network;
  readonly observer: LogObserver;
  readonly groups: SimGroups;
  readonly clients: Clients;
  readonly gateway: SimGateway;
  /** The fail point that struck: the next effect of a worker never happens, or much later. */
  struck: { place: string; action: FailAction } | undefined;
  /** A text that kills every worker that decides about it. */
  poison: string | undefined;
  private deathsByPoison = 0;
  private readonly slots: Slot[] = [];
  private preferred = 0;
  private boots = 0;
  /** Whether no new faults happen any more. */
  isEnding = false;
  private readonly archiver: Connection;
  /** The queues by partition. */
  readonly logs: readonly Stream[];
  private readonly queues: readonly Stream[];

  constructor(
    readonly random: Random,
    readonly coverage: Coverage,
  ) {
    const now = () => START + Math.floor(this.time.now);
    const partitions = random.below(SEVERAL_IN) === 0 ? SEVERAL : 1;
    if (partitions > 1) coverage.count("runs with several partitions");
    const streamsOf = (prefix: string) =>
      Array.from({ length: partitions }, (_, partition) => new Stream(`${prefix}_${partition}`, now));
    this.logs = streamsOf("LOG");
    this.queues = streamsOf("IN");
    const all = [...this.logs, ...this.queues, new Stream("DEAD", now)];
    const streams = new Map(all.map((stream) => [stream.name, stream]));
    const strike = (connection: Connection) => this.strike(connection);
    const serving: Network["serving"] = new Map();
    const consumers: Network["consumers"] = new Map();
    const { time } = this;
    this.network = { time, random, coverage, streams, partitions, consumers, wordsLost: WORDS_LOST, serving, strike };
    this.observer = new LogObserver([...this.logs], () => this.time.now, coverage);
    this.groups = new SimGroups(this.network, this.observer, new Connection("api", this.network), USERS);
    this.clients = new Clients(this.network, this.observer, this.groups);
    this.gateway = new SimGateway(this.network, this.groups, this.mysql, USERS);
    const onCovered: LogObserver["onCovered"] = (partition, boot, from, to) => {
      const queue = this.queues[partition]!;
      // A batch that left the queue before was answered by a former owner, who may have died over it.
      const waiting = [...queue.messages.keys()].filter((seq) => seq > from && seq <= to);
      const check = () => {
        if (this.living.some((worker) => worker.boot === boot)) this.clients.checkAnswered(partition, waiting);
      };
      // The wait has two steps: when the machine sleeps meanwhile, the worker still has the second step to itself.
      time.aside(time.now + ANSWERED_MS, () => time.aside(time.now + ANSWERED_MS, check));
      if (to > queue.lastSeq) this.observer.violations.push(`I4: ${to} is covered before it exists`);
    };
    this.observer.onCovered = onCovered;
    this.archiver = new Connection("archiver", this.network);
  }

  start(): void {
    for (let i = 0; i < WORKERS; i++)
      this.slots.push({ worker: this.boot(), silentSince: undefined, believes: new Set() });
    this.everyAside(
      () => this.random.between(30, 100),
      () => this.clients.flush(),
    );
    this.everyAside(
      () => 300,
      () => this.changeRules(),
    );
    this.every(
      () => this.random.between(100, 700),
      () => this.changeGroup(),
    );
    this.every(
      () => 2_000,
      () => this.groups.relay(),
    );
    this.everyAside(
      () => 1_000,
      () => this.clients.repeat(),
    );
    this.everyAside(
      () => 2_000,
      () => this.tick(),
    );
    this.every(
      () => this.random.between(50, 400),
      () => this.gateway.act(this.isEnding),
    );
    this.everyAside(
      () => this.random.between(150, 500),
      () => this.archive(),
    );
    this.every(
      () => 2_000,
      () => void this.purge(),
    );
  }

  /** The rules change all the time, and workers learn of it at different times. */
  private changeRules(): void {
    const isMuted = this.random.chance(0.3);
    this.mysql.mutedUntil.set(this.random.pick(USERS), isMuted ? Number.MAX_SAFE_INTEGER : 0);
  }

  private tick(): void {
    for (const worker of this.living) worker.tick();
  }

  /** Members join and leave as long as users write. */
  private changeGroup(): void {
    if (!this.isEnding && !this.mysql.isAway) this.groups.change();
  }

  get living(): SimWorker[] {
    return this.slots.map(({ worker }) => worker).filter(({ isDead }) => !isDead);
  }

  crash(worker: SimWorker): void {
    worker.connection.isDead = true;
    const slot = this.slots.find((one) => one.worker === worker)!;
    slot.silentSince ??= this.time.now;
    this.time.after(this.random.between(0.3, 3) * RESTART_MS, () => {
      slot.worker = this.boot();
      slot.silentSince = undefined;
    });
  }

  /** Pauses a worker, or cuts its link, for `ms`. */
  hold(worker: SimWorker, how: "pausedUntil" | "cutUntil", ms: number): void {
    const until = this.time.now + ms;
    worker.connection[how] = until;
    const slot = this.slots.find((one) => one.worker === worker)!;
    slot.silentSince ??= this.time.now;
    this.time.at(until + 200, () => {
      if (slot.worker === worker && !worker.isDead) slot.silentSince = undefined;
    });
  }

  /** The assignment changes, as when a worker joins or drains. */
  prefer(slot: number): void {
    this.preferred = slot;
  }

  /** Returns all violations up to now. */
  get violations(): string[] {
    return [
      ...this.observer.violations,
      ...this.clients.violations,
      ...this.groups.violations,
      ...this.gateway.violations,
    ];
  }

  /** Returns the open ends: messages without an answer, requests in the queue, records outside the archive, empty inboxes. */
  get unrest(): string {
    if (this.clients.openMessages > 0) return `${this.clients.openMessages} messages are unanswered`;
    const waiting = this.queues.reduce((sum, { messages }) => sum + messages.size, 0);
    if (waiting > 0) return `${waiting} batches are in the queues`;
    if (this.logs.some((log, partition) => this.archivedTo(partition) < endOfRecord(log.lastSeq))) {
      return "the archive is behind";
    }
    return this.missingInInboxes()[0] ?? this.unaware()[0] ?? "";
  }

  check(): void {
    this.clients.check();
    this.groups.check();
    this.gateway.check(this.observer.events);
    const archived = new Set(this.mysql.messages.map(({ messageId }) => messageId));
    const logged = this.observer.events.map(({ event }) => event.messageId);
    if (
      archived.size !== this.mysql.messages.length ||
      archived.size !== logged.length ||
      !logged.every((id) => archived.has(id))
    ) {
      this.clients.violations.push("I1: the archive is not what was in the log");
    }
    if (this.deathsByPoison > MOST_DEATHS) {
      this.clients.violations.push(`I10: one request has killed ${this.deathsByPoison} workers`);
    }
    this.clients.violations.push(...this.missingInInboxes(), ...this.disorderInInboxes(), ...this.strangersInInboxes());
  }

  private boot(): SimWorker {
    return new SimWorker(`boot-${++this.boots}`, {
      network: this.network,
      redis: this.redis,
      mysql: this.mysql,
      groups: this.groups,
      placementOf: (worker) => this.placementOf(worker),
      receiveNews: (news) => this.gateway.groups.receive(news),
      receiveTick: (groups) => this.gateway.groups.tick(groups),
      missed: () => this.gateway.groups.markStale(),
      answer: (_worker, frames) => this.clients.receive(frames),
    });
  }

  private isSeen({ silentSince }: Slot, silenceMs = SUSPECT_MS): boolean {
    return silentSince === undefined || this.time.now - silentSince < silenceMs;
  }

  private placementOf(worker: SimWorker): Placement {
    const isMine = (partition: number) => this.isMine(worker, partition);
    return {
      isMine,
      willBeMine: (partition) => this.willBeMine(worker, partition),
      hasSuccessor: (partition) => !isMine(partition),
      isPresent: (boot) => this.living.some((each) => each.boot === boot),
      isAlive: (boot) => this.slots.some((slot) => slot.worker.boot === boot && this.isSeen(slot)),
    };
  }

  /** A worker that is silent itself foresees nothing. */
  private willBeMine(worker: SimWorker, partition: number): boolean {
    const own = this.slots.find((slot) => slot.worker === worker);
    return own !== undefined && own.silentSince === undefined && this.chosen(partition, MISSED_MS) === own;
  }

  /** Returns the first slot, from the preferred one on, whose worker was heard lately. */
  private chosen(partition: number, silenceMs: number): Slot | undefined {
    const walk = this.slots.map((_slot, i) => this.slots[(this.preferred + partition + i) % WORKERS]!);
    return walk.find((slot) => this.isSeen(slot, silenceMs));
  }

  private isMine(worker: SimWorker, partition: number): boolean {
    const own = this.slots.find((slot) => slot.worker === worker);
    if (own === undefined) return false;
    if (own.silentSince !== undefined) return own.believes.has(partition);
    if (this.chosen(partition, SUSPECT_MS) === own) own.believes.add(partition);
    else own.believes.delete(partition);
    return own.believes.has(partition);
  }

  private strike(connection: Connection): boolean {
    if (this.struck === undefined) return false;
    const { place, action } = this.struck;
    const worker = this.living.find((one) => one.connection === connection);
    if (worker === undefined) return false;
    this.struck = undefined;
    if (action === "pause") {
      this.coverage.count("workers paused");
      this.hold(worker, "pausedUntil", this.random.between(2_500, 6_000));
      return false;
    }
    this.coverage.count(`crash at ${place}`);
    if (this.poison !== undefined && place === "decide.before") this.deathsByPoison++;
    this.crash(worker);
    return true;
  }

  private every(ms: () => number, run: () => void): void {
    this.time.after(ms(), () => {
      run();
      this.every(ms, run);
    });
  }

  private everyAside(ms: () => number, run: () => void): void {
    this.time.aside(this.time.now + ms(), () => {
      run();
      this.everyAside(ms, run);
    });
  }

  private archivedTo(partition: number): number {
    return this.mysql.positions.get(partition) ?? -1;
  }

  /** Does the work of an archiver in one step: its fence and transaction are tested with a real database. */
  private archive(): void {
    const { mysql, observer, logs } = this;
    if (mysql.isAway) return;
    for (const [partition, { firstSeq, lastSeq }] of logs.entries()) {
      // Each partition is archived for itself.
      if (logs.length > 1 && this.random.chance(0.3)) continue;
      const position = this.archivedTo(partition);
      if (firstSeq > Math.max(0, recordSeqOf(position)) + 1) {
        this.observer.violations.push(`I1: log ${partition} begins at ${firstSeq}, which the archive has not reached`);
      }
      const seen = observer.events.filter((each) => each.partition === partition && each.position > position);
      mysql.archive(
        partition,
        seen.map(({ event }) => event),
        endOfRecord(lastSeq),
      );
      this.groups.archive(seen);
    }
  }

  private async purge(): Promise<void> {
    for (const partition of this.logs.keys()) {
      const position = this.archivedTo(partition);
      const purged = await purgePartition(this.archiver.bus, partition, position, REPLAY_WINDOW_MS).catch(() => 0);
      this.coverage.count("records purged", purged);
    }
  }

  /** I6: since the inboxes began again, they have every event of their users' conversations. */
  private missingInInboxes(): string[] {
    const due = this.observer.events.filter(({ at }) => at > this.redis.wipedAt);
    const present = new Map(USERS.map((user) => [user, new Set(this.redis.inboxes.get(user)?.events.map(placeOf))]));
    return due.flatMap((seen) => {
      const { event } = seen;
      const isGroup = event.conversationId === GROUP_CONVERSATION;
      const members = isGroup ? this.groups.inboxesOf(seen) : event.conversationId.split(":").slice(1);
      const missing = members.filter((user) => !present.get(user)!.has(placeOf(seen)));
      return missing.map((user) => `I6: ${event.conversationId} ${event.seq} is not in the inbox of ${user}`);
    });
  }

  /** I1: each member of the group knows its last number, by their inbox or by their gateway. */
  private unaware(): string[] {
    const newest = this.observer.events.findLast(({ event }) => event.conversationId === GROUP_CONVERSATION);
    // A device learns of events in wiped inboxes by a resync, which is not simulated.
    if (newest === undefined || (newest.fanOut.startsWith("write") && newest.at <= this.redis.wipedAt)) return [];
    const last = newest.event.seq;
    return this.groups.finalMembers.flatMap((user) => {
      const inbox = this.redis.inboxes.get(user)?.events ?? [];
      const inInbox = inbox.findLast(({ event }) => event.conversationId === GROUP_CONVERSATION)?.event.seq ?? 0;
      const known = Math.max(inInbox, this.gateway.known(user));
      return known >= last ? [] : [`I1: ${user} was told of ${known}, the group is at ${last}`];
    });
  }

  /** I9: no inbox has an event of the group from a time when its user was no member. */
  private strangersInInboxes(): string[] {
    const byPlace = new Map(this.observer.events.map((seen) => [placeOf(seen), seen]));
    return [...this.redis.inboxes].flatMap(([user, { events }]) =>
      events.flatMap(({ event, ...place }) => {
        if (event.conversationId !== GROUP_CONVERSATION) return [];
        const seen = byPlace.get(placeOf(place));
        if (seen?.event.conversationId !== GROUP_CONVERSATION) {
          return [`I6: ${GROUP_CONVERSATION} ${event.seq} is in the inbox of ${user} and not in the log`];
        }
        if (this.groups.inboxesOf(seen).includes(user)) return [];
        return [`I9: ${GROUP_CONVERSATION} ${event.seq} is in the inbox of ${user}`];
      }),
    );
  }

  /**
   * A round that a worker began before Redis was wiped may arrive after it: an inbox begins anew with what is older than the
   * wipe then, and its users, who are told to fetch everything, do not go by it.
   */
  private disorderInInboxes(): string[] {
    const storedAt = new Map(this.observer.events.map((seen) => [placeOf(seen), seen.at]));
    return [...this.redis.inboxes].flatMap(([user, { events }]) => {
      const last = new Map<string, { seq: number; isOld: boolean }>();
      return events.flatMap(({ event: { conversationId, seq }, ...place }) => {
        const isOld = this.redis.life > 0 && storedAt.get(placeOf(place))! <= this.redis.wipedAt;
        const before = last.get(conversationId) ?? { seq: 0, isOld: this.redis.life > 0 };
        last.set(conversationId, { seq, isOld });
        // This checks that members of a group have their events; another check finds events that they must not have.
        if (conversationId === GROUP_CONVERSATION && seq > before.seq) return [];
        if (seq === before.seq + 1 || (before.isOld && seq > before.seq)) return [];
        return [`I6: in the inbox of ${user}, ${conversationId} goes from ${before.seq} to ${seq}`];
      });
    });
  }
}

/** Name of an event by its place in the logs. */
function placeOf({ partition, position }: { partition: number; position: number }): string {
  return `${partition} ${position}`;
}
