/** The figures that Carillon must reach, on two cores that it shares with the generator, and the judgement of a result. */
export type TargetId =
  | "P1"
  | "P2"
  | "P3 p50"
  | "P3 p99"
  | "P4"
  | "P5"
  | "P6 p99"
  | "P6 merged"
  | "P7 WebSocket"
  | "P7 TCP"
  | "P8"
  | "P9"
  | "P10"
  | "P11"
  | "P12"
  | "P13";

interface Target {
  what: string;
  unit: string;
  must: number;
  stretch: number;
  /** Whether a higher figure is better. */
  isMore?: boolean;
}

export const TARGETS: Record<TargetId, Target> = {
  P1: { what: "CPU of all servers per delivered message", unit: "us", must: 100, stretch: 60 },
  P2: { what: "delivered per second", unit: "/s", must: 12_000, stretch: 25_000, isMore: true },
  "P3 p50": { what: "send to receive, p50", unit: "ms", must: 8, stretch: 4 },
  "P3 p99": { what: "send to receive, p99", unit: "ms", must: 30, stretch: 12 },
  P4: { what: "CPU per message against ejabberd", unit: "of it", must: 1 / 3, stretch: 1 / 6 },
  P5: { what: "CPU per delivery in a group of 500", unit: "us", must: 20, stretch: 12 },
  "P6 p99": { what: "large group, due to received, p99", unit: "ms", must: 300, stretch: 150 },
  "P6 merged": { what: "large group, messages of one notice", unit: ": 1", must: 5, stretch: 5, isMore: true },
  "P7 WebSocket": { what: "memory of an idle WebSocket connection", unit: "KB", must: 14, stretch: 11 },
  "P7 TCP": { what: "memory of an idle TCP connection", unit: "KB", must: 8, stretch: 6 },
  P8: { what: "gateway with 18,000 idle connections, share of a core", unit: "%", must: 10, stretch: 4 },
  P9: { what: "10,000 clients cut at once: all back and complete", unit: "s", must: 30, stretch: 8 },
  P10: { what: "log-in to synced, 1,000 missed", unit: "ms", must: 150, stretch: 40 },
  P11: { what: "archiver drain", unit: "/s", must: 30_000, stretch: 80_000, isMore: true },
  P12: { what: "bytes to disk per message of 200 bytes", unit: "x", must: 22, stretch: 14 },
  P13: { what: "cost per message when everything doubles", unit: "%", must: 30, stretch: 10 },
};

/** A figure compared with its target. */
export interface Judged {
  id: TargetId;
  value: number;
  reached: "stretch" | "must" | "missed";
}

export function judge(id: TargetId, value: number): Judged {
  const { must, stretch, isMore = false } = TARGETS[id];
  const isWithin = (bound: number) => (isMore ? value >= bound : value <= bound);
  return { id, value, reached: isWithin(stretch) ? "stretch" : isWithin(must) ? "must" : "missed" };
}

/** Describes judged figures in lines for people. */
export function describeJudged(judged: Judged[]): string[] {
  return judged.map(({ id, value, reached }) => {
    const { what, unit, must, stretch } = TARGETS[id];
    const verdict = reached === "missed" ? "MISSED" : `${reached} is met`;
    const number = `${short(value)} ${unit}`;
    return `  ${id.padEnd(12)} ${what}: ${number} (must ${short(must)}, stretch ${short(stretch)}): ${verdict}`;
  });
}

const short = (value: number) => String(Math.abs(value) >= 100 ? Math.round(value) : Math.round(value * 100) / 100);
