import type { Evidence } from "@carillon/testkit";

/** Numbers per second, from the beginning of the load on. */
export interface Series {
  sent: number[];
  acknowledged: number[];
  shown: number[];
}

/** Returns the rates of a run, second by second, up to the last event. Pure. */
export function seriesOf({ messages, devices }: Pick<Evidence, "messages" | "devices">, from: number): Series {
  return {
    sent: perSecond(
      messages.map(({ sentAt }) => sentAt),
      from,
    ),
    acknowledged: perSecond(
      messages.flatMap(({ answers }) => answers.slice(0, 1).map(({ at }) => at)),
      from,
    ),
    shown: perSecond(
      devices.flatMap(({ shown }) => shown.map(({ at }) => at)),
      from,
    ),
  };
}

function perSecond(times: number[], from: number): number[] {
  const counts: number[] = [];
  for (const time of times) {
    const second = Math.max(0, Math.floor((time - from) / 1_000));
    while (counts.length <= second) counts.push(0);
    counts[second]!++;
  }
  return counts;
}
