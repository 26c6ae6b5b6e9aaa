/**
 * Runs tabs at random: they open, reload, crash, close, log out and take over, the network and the storage fail, and both users
 * write. When all is quiet, every stored message was sent once, every event was shown, each tab shows all events once and in
 * order, and no session has ended without a log-out.
 */
import { setMaxListeners } from "node:events";
import { type OpenTab, TabsWorld } from "./fixtures/tabs-world";

const SEEDS = Number(process.env["SEEDS"] ?? 500);
const FIRST = Number(process.env["FIRST_SEED"] ?? 1);
const STEPS = 25;
const MOST_TABS = 3;

const passes = (ms: number) => jest.advanceTimersByTimeAsync(ms);

/** mulberry32 */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Run {
  readonly world = new TabsWorld();
  /** Contents that were stored: they must arrive. */
  private readonly kept = new Set<string>();
  private readonly acknowledged = new Set<string>();
  private readonly everShown = new Set<number>();
  private readonly all: OpenTab[] = [];
  private readonly trail: string[] = [];
  private written = 0;

  constructor(private readonly random: () => number) {}

  async run(): Promise<void> {
    this.world.cluster.skew = this.pick([0, 0, 3_600_000, -3_600_000]);
    this.open();
    for (let i = 0; i < STEPS; i++) {
      const step = this.pick(STEPS_OF);
      this.trail.push(step);
      await this.take(step);
      await passes(this.pick([0, 1, 20, 300, 2_000, 15_000]));
      await this.look();
    }
    this.world.cluster.isUp = true;
    this.world.isStorageBroken = false;
    if (this.world.tabs.length === 0) this.open();
    await passes(140_000);
    // The view fetches missing messages when the app looks: first the end, then the page before it.
    for (let looks = 0; looks < 3; looks++) {
      for (const tab of this.world.tabs) this.world.view(tab);
      await passes(3_000);
    }
    await this.look();
  }

  check(): string[] {
    const { cluster, tabs } = this.world;
    const contents = cluster.events.map(({ content }) => content as string);
    const own = contents.filter((content) => content.startsWith("a"));
    const faults = [
      ...[...this.kept, ...this.acknowledged]
        .filter((content) => !own.includes(content))
        .map((content) => `${content} is lost`),
      ...own.filter((content, i) => own.indexOf(content) !== i).map((content) => `${content} is doubled`),
      ...cluster.events
        .filter(({ seq }) => !this.everShown.has(seq))
        .map(({ seq }) => `event ${seq} was shown by no tab`),
      ...(cluster.ended === undefined ? [] : [cluster.ended]),
    ];
    for (const { shown } of this.all) {
      // An event that another tab got before this one opened, and did not acknowledge before its crash, comes late.
      const own = shown.filter((seq) => seq >= (shown[0] as number));
      const isInOrder = own.every((seq, i) => i === 0 || seq > (own[i - 1] as number));
      if (!isInOrder || new Set(shown).size < shown.length) faults.push(`a tab was told ${shown.join()}`);
    }
    for (const [i, tab] of tabs.entries()) {
      const { state } = tab.client;
      if (state.name !== "online")
        faults.push(`tab ${i} is ${state.name} ${"error" in state ? state.error?.message : ""}`);
      const view = this.world.view(tab).map((item) => item.split(" ")[0]);
      if (view.join() !== contents.join()) faults.push(`tab ${i} shows ${view.join()} instead of ${contents.join()}`);
    }
    return faults.length === 0 ? [] : [...faults, this.trail.join(", ")];
  }

  private async take(step: Step): Promise<void> {
    const { world } = this;
    const { tabs, cluster } = world;
    const tab = tabs.length === 0 ? undefined : this.pick(tabs);
    switch (step) {
      case "open":
        return tabs.length < MOST_TABS ? this.open() : undefined;
      case "reload":
        if (tab !== undefined) world.crash(tab);
        return this.open();
      case "crash":
        return tab && world.crash(tab);
      case "close":
        if (tab === undefined) return;
        tabs.splice(tabs.indexOf(tab), 1);
        return void tab.client.close();
      case "log out":
        return this.logOut(tab);
      case "take over":
        return void tab?.client.takeOver().catch(() => {});
      case "write":
        return tab && this.write(tab);
      case "bob writes":
        return void cluster.store("bob", { clientMsgId: `bob ${this.written++}`, content: `b${this.written}` });
      case "network":
        cluster.isUp = !cluster.isUp;
        return cluster.isUp ? undefined : cluster.cut();
      case "cut":
        return cluster.cut();
      case "storage":
        world.isStorageBroken = true;
        await passes(this.pick([10, 1_000, 5_000]));
        world.isStorageBroken = false;
        // A token that could not be stored is stored now: a client that uses the former one half a minute later counts as a
        // thief.
        return passes(3_000);
    }
  }

  private open(): void {
    const tab = this.world.open();
    this.all.push(tab);
  }

  private write(tab: OpenTab): void {
    const content = `a${this.written++}`;
    this.world.send(tab, content).then(
      () => this.acknowledged.add(content),
      () => {},
    );
  }

  /** Logs out. The waiting messages are deleted with all other values; some may already have been sent. */
  private async logOut(tab: OpenTab | undefined): Promise<void> {
    const { cluster, tabs } = this.world;
    if (tab === undefined || !cluster.isUp) return;
    await Promise.all([tab.client.logOut().catch(() => {}), passes(10_000)]);
    for (const other of tabs.splice(0)) void other.client.close();
    await passes(5_000);
    this.kept.clear();
    this.open();
  }

  private async look(): Promise<void> {
    const { storage } = this.world;
    for (const key of await storage.keys()) {
      if (!key.startsWith("outbox/")) continue;
      const value = await storage.get(key);
      if (value !== undefined) this.kept.add((JSON.parse(value) as { payload: { content: string } }).payload.content);
    }
    for (const { shown } of this.all) for (const seq of shown) this.everShown.add(seq);
  }

  private pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)] as T;
  }

  async end(): Promise<void> {
    const closed = this.world.tabs.splice(0).map(({ client }) => client.close());
    await passes(5_000);
    await Promise.all(closed);
  }
}

const STEPS_OF = [
  ...[
    "open",
    "open",
    "reload",
    "reload",
    "crash",
    "close",
    "log out",
    "take over",
    "storage",
    "network",
    "network",
    "cut",
  ],
  ...["write", "write", "write", "write", "bob writes", "bob writes"],
] as Step[];
type Step =
  | "open"
  | "reload"
  | "crash"
  | "close"
  | "log out"
  | "take over"
  | "write"
  | "bob writes"
  | "network"
  | "cut"
  | "storage";

// Many tabs wait for many locks with one signal each.
setMaxListeners(0);

test(`${SEEDS} lives of a browser: nothing is lost, doubled or out of order, and no session ends by itself`, async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    jest.useFakeTimers({ now: 1_800_000_000_000 });
    const random = randomOf(seed);
    jest.spyOn(Math, "random").mockImplementation(random);
    jest.spyOn(console, "error").mockImplementation(() => {});
    const run = new Run(random);
    try {
      await run.run();
      const faults = run.check();
      await run.end();
      if (faults.length > 0) throw new Error(`seed ${seed}:\n${faults.join("\n")}`);
    } finally {
      jest.restoreAllMocks();
      jest.useRealTimers();
    }
  }
}, 300_000);
