/** I4: the numbers of a conversation are 1..n without gaps, in log order; no number is used twice; ids are unique. */
import type { Evidence, MessageFacts } from "../history/evidence";
import { groupBy, place, type Violation, violation } from "./violation";

export function checkNumbers({ log, archive }: Evidence): Violation[] {
  const found: Violation[] = [];
  const purged = new Set(
    [...groupBy(log, ({ partition }) => String(partition))]
      .filter(([, records]) => records[0]!.seq > 1)
      .map(([partition]) => Number(partition)),
  );
  const logged = log.flatMap(({ partition, events }) => events.map((event) => ({ ...event, partition })));
  for (const events of groupBy(logged, ({ conversationId }) => conversationId).values()) {
    // Purged records are older than the remaining ones, so the log may begin at any number.
    let last = purged.has(events[0]!.partition) ? events[0]!.seq - 1 : 0;
    for (const event of events) {
      if (event.seq !== last + 1) found.push(violation("I4", `the log has ${place(event)} after #${last}`));
      last = event.seq;
    }
  }
  for (const events of groupBy(archive, ({ conversationId }) => conversationId).values()) {
    events
      .map((event) => event)
      .sort((a, b) => a.seq - b.seq)
      .forEach((event, index) => {
        if (event.seq !== index + 1) found.push(violation("I4", `MySQL has ${place(event)} in place ${index + 1}`));
      });
  }
  const stores: [string, MessageFacts[]][] = [
    ["the log", logged],
    ["MySQL", archive],
  ];
  for (const [store, events] of stores) {
    for (const [messageId, same] of groupBy(events, (event) => event.messageId)) {
      if (same.length > 1) found.push(violation("I4", `${store} has messageId ${messageId} ${same.length} times`));
    }
  }
  return found;
}
