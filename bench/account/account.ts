/**
 * The account of a measurement. For each kind of process it has CPU, system calls, fsyncs, bytes to disk, memory and the part
 * of the time that went into garbage; for each hop it has the size of its batches. The generator's own cost is apart.
 */
import type { RunningContestant, ServerCounts } from "../peers/contestant";
import { countUsage, type Usage } from "./usage";

interface KindCost {
  /** us per message. */
  cpu: number;
  /** Per message. */
  systemCalls: number;
  /** Per message. */
  writtenBytes: number;
  /** Per second; undefined where no server counts them. */
  fsyncs?: number;
  /** Memory at the end, MiB. */
  resident: number;
  /** Part of the time for which one of its processes stood still for garbage, 0 to 1; undefined where it is not Node. */
  garbage?: number;
}

export interface Account {
  messages: number;
  seconds: number;
  kinds: Record<string, KindCost>;
  /** us per message of all kinds together. */
  cpu: number;
  /** Bytes to disk per message of all kinds together. */
  writtenBytes: number;
  /** Messages per batch, by hop. */
  batches: Record<string, number>;
  /** CPU of the load generator, us per message; it is not part of `cpu`. */
  generatorCpu: number;
}

/** Begins to count. @returns a function that ends the count, and shares the use among the messages of that time */
export async function startAccount(server: RunningContestant, generatorPids: number[]) {
  const before = await server.counts?.();
  const generator = countUsage(() => new Map([["generator", generatorPids]]));
  const used = countUsage(() => server.processes());
  const startedAt = performance.now();
  const from = Date.now();
  return async (countMessages: () => Promise<number>): Promise<Account> => {
    const usage = used();
    const generatorUsage = generator();
    const seconds = (performance.now() - startedAt) / 1_000;
    server.onMeasured?.(from, Date.now());
    const messages = await countMessages();
    const counted = before && subtract(await server.counts!(), before);
    return makeAccount(messages, seconds, usage, generatorUsage.get("generator")!.cpu, counted);
  };
}

/** Pure. */
export function makeAccount(
  messages: number,
  seconds: number,
  usage: Map<string, Usage>,
  generatorCpu: number,
  counted?: ServerCounts,
): Account {
  const per = (value: number) => value / Math.max(1, messages);
  const kinds = [...usage].map(([kind, used]): [string, KindCost] => {
    const { cpu, systemCalls, writtenBytes, resident, processes } = used;
    const fsyncs = counted?.fsyncs[kind];
    const gcMs = counted?.gcMs[kind];
    return [
      kind,
      {
        ...{ cpu: per(cpu), systemCalls: per(systemCalls), writtenBytes: per(writtenBytes), resident },
        ...(fsyncs === undefined ? {} : { fsyncs: fsyncs / seconds }),
        ...(gcMs === undefined ? {} : { garbage: gcMs / 1_000 / seconds / Math.max(1, processes) }),
      },
    ];
  });
  const sum = (of: (cost: KindCost) => number) => kinds.reduce((total, [, cost]) => total + of(cost), 0);
  const batches = Object.entries(counted?.batches ?? {}).map(([hop, count]) => [hop, messages / Math.max(1, count)]);
  return {
    messages,
    seconds,
    kinds: Object.fromEntries(kinds),
    cpu: sum(({ cpu }) => cpu),
    writtenBytes: sum(({ writtenBytes }) => writtenBytes),
    batches: Object.fromEntries(batches),
    generatorCpu: per(generatorCpu),
  };
}

function subtract(after: ServerCounts, before: ServerCounts): ServerCounts {
  const difference = (a: Record<string, number>, b: Record<string, number>) =>
    Object.fromEntries(Object.entries(a).map(([name, value]) => [name, value - (b[name] ?? 0)]));
  return {
    fsyncs: difference(after.fsyncs, before.fsyncs),
    batches: difference(after.batches, before.batches),
    gcMs: difference(after.gcMs, before.gcMs),
  };
}

const COLUMNS = ["CPU us", "calls", "fsync/s", "bytes", "MiB", "garbage"];

/** The table of a run: a line per kind of process. CPU, calls and bytes are per message, or per other unit that the run counted. */
export function describeAccount(account: Account, per = "message"): string[] {
  const { kinds, cpu, writtenBytes, batches, generatorCpu } = account;
  const row = (name: string, cells: string[]) =>
    `  ${name.padEnd(12)}${cells.map((cell) => cell.padStart(10)).join("")}`.trimEnd();
  const sized = Object.entries(batches).map(([hop, size]) => `${size.toFixed(1)} per ${hop}`);
  return [
    row(`per ${per}`, COLUMNS),
    ...Object.entries(kinds).map(([kind, cost]) =>
      row(kind, [
        cost.cpu.toFixed(1),
        cost.systemCalls.toFixed(2),
        cost.fsyncs === undefined ? "" : cost.fsyncs.toFixed(0),
        cost.writtenBytes.toFixed(0),
        cost.resident.toFixed(0),
        cost.garbage === undefined ? "" : `${(cost.garbage * 100).toFixed(1)} %`,
      ]),
    ),
    row("all servers", [cpu.toFixed(1), "", "", writtenBytes.toFixed(0)]),
    row("(generator)", [generatorCpu.toFixed(1)]),
    ...(sized.length === 0 || per !== "message" ? [] : [`  batches     ${sized.join(", ")}`]),
  ];
}
