/** Evaluates profiles: which functions spend the CPU of a kind of process themselves, and which of ours with all they call. Pure. */

/** The part of V8's format that is read here. */
export interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number }; children?: number[] }[];
  /** Ids of the nodes that ran. */
  samples: number[];
  /** us before each sample. */
  timeDeltas: number[];
}

export interface ProfileSummary {
  /** Seconds in which its processes were busy. */
  busySeconds: number;
  /** Part of the busy time by function, most first. */
  self: [name: string, part: number][];
  /** Functions of ours with all that they call. */
  inclusive: [name: string, part: number][];
}

const IDLE = "(idle)";
const MOST = 15;

/** @param isOurs judges a function by its printed name */
export function summariseProfiles(profiles: CpuProfile[], isOurs = isOurFunction): ProfileSummary {
  const [self, inclusive] = [new Map<string, number>(), new Map<string, number>()];
  let busyUs = 0;
  for (const profile of profiles) busyUs += addProfile(profile, self, inclusive);
  const most = (times: Map<string, number>) =>
    [...times]
      .sort(([, a], [, b]) => b - a)
      .slice(0, MOST)
      .map(([name, us]): [string, number] => [name, us / Math.max(1, busyUs)]);
  return {
    busySeconds: busyUs / 1e6,
    self: most(self),
    inclusive: most(new Map([...inclusive].filter(([name]) => isOurs(name)))),
  };
}

/** @returns busy time, us */
function addProfile(profile: CpuProfile, self: Map<string, number>, inclusive: Map<string, number>): number {
  const nodes = new Map(profile.nodes.map((node) => [node.id, { name: nameOf(node.callFrame), parent: 0 }]));
  for (const { id, children = [] } of profile.nodes) for (const child of children) nodes.get(child)!.parent = id;
  let busyUs = 0;
  profile.samples.forEach((id, index) => {
    const us = profile.timeDeltas[index]!;
    const { name } = nodes.get(id)!;
    if (name === IDLE) return;
    busyUs += us;
    add(self, name, us);
    // A function that calls itself counts once.
    const seen = new Set<string>();
    for (let node = nodes.get(id); node !== undefined; node = nodes.get(node.parent)) seen.add(node.name);
    for (const each of seen) add(inclusive, each, us);
  });
  return busyUs;
}

function add(times: Map<string, number>, name: string, us: number): void {
  times.set(name, (times.get(name) ?? 0) + us);
}

/** `deliver apps/gateway/dist/deliver/deliverer.js:12` */
function nameOf({ functionName, url, lineNumber }: CpuProfile["nodes"][number]["callFrame"]): string {
  if (url === "") return functionName;
  const file = url.replace(/^file:\/\//, "").replace(/^.*\/(?=(?:node_modules|libs|apps|scripts)\/)/, "");
  return `${functionName === "" ? "(anonymous)" : functionName} ${file}:${lineNumber + 1}`;
}

const isOurFunction = (name: string) => / (?:libs|apps|scripts)\//.test(name);

/** Describes the shares in lines for people. */
export function describeProfile(kind: string, { busySeconds, self, inclusive }: ProfileSummary): string[] {
  const rows = (parts: [string, number][]) =>
    parts.map(([name, part]) => `    ${(part * 100).toFixed(1).padStart(5)} %  ${name}`);
  return [
    `  ${kind}: busy for ${busySeconds.toFixed(1)} s; by themselves:`,
    ...rows(self),
    "   functions of ours, with what they call:",
    ...rows(inclusive),
  ];
}
