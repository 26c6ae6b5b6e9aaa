/** Counts the situations of a run. A simulation has not tested a situation that it never met, so a counter at 0 is a failure. */
export const PLACES = ["consume", "decide", "append", "acknowledge", "fan-out"].flatMap((stage) => [
  `${stage}.before`,
  `${stage}.after`,
]);

export class Coverage {
  readonly counts = new Map<string, number>(
    [
      "operations",
      "runs with several partitions",
      "failures injected",
      "take-overs",
      "logs folded early",
      "stale appends refused",
      "ambiguous appends: own record found",
      "ambiguous appends: no record",
      "ambiguous appends: another's record",
      "refusals 10071 without cause",
      "redeliveries",
      "newer messages handed out first",
      "double acks without answer",
      "repeats recognised by the table",
      "repeats recognised by the archive",
      "conflicts",
      "archive look-ups",
      "refused by a rule",
      "BUSY",
      "requests parked",
      "members came or went",
      "members came back",
      "strangers refused",
      "groups became large",
      "groups became small",
      "casts lost",
      "events shown to those who look",
      "put aside",
      "log full",
      "records purged",
      "Redis wiped",
      "MySQL away",
      "workers paused",
      "links cut",
      ...PLACES.map((place) => `crash at ${place}`),
    ].map((name) => [name, 0]),
  );

  count(name: string, by = 1): void {
    const before = this.counts.get(name);
    if (before === undefined) throw new Error(`no counter ${name}`);
    this.counts.set(name, before + by);
  }

  add(other: Iterable<readonly [string, number]>): void {
    for (const [name, by] of other) this.count(name, by);
  }

  get missing(): string[] {
    return [...this.counts].filter(([, count]) => count === 0).map(([name]) => name);
  }
}
