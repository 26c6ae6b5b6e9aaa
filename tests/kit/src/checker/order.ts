/**
 * I3: all members and MySQL agree on the order, every device receives events in it, and the messages of one device keep their
 * order.
 *
 * A device may receive less than everything only if it is told to resync; then it fetches the other events itself. Among
 * pipelined messages, repeated ones may be overtaken.
 */
import type { Evidence, MessageFacts, ShownEvent } from "../history/evidence";
import { isGroup, Membership } from "../history/membership";
import { groupBy, place, type Violation, violation } from "./violation";

export function checkOrder(evidence: Evidence): Violation[] {
  const membership = new Membership(evidence);
  const told = evidence.devices.flatMap((device) => toldOutOfOrder(device, membership));
  return [...disagreements(evidence), ...told, ...overtaken(evidence)];
}

function disagreements({ log, archive, devices, recalled }: Evidence): Violation[] {
  const takenBack = new Set(recalled.map(place));
  const known = new Map<string, MessageFacts & { by: string }>();
  const found: Violation[] = [];
  const compare = (by: string, facts: MessageFacts) => {
    const first = known.get(place(facts));
    if (first === undefined) known.set(place(facts), { ...facts, by });
    else if (first.messageId !== facts.messageId || first.clientMsgId !== facts.clientMsgId) {
      found.push(violation("I3", `${place(facts)} is another message for ${by} than for ${first.by}`));
    } else if (!isSame(first, facts, takenBack.has(place(facts)))) {
      found.push(violation("I3", `${place(facts)} has another content or sender for ${by} than for ${first.by}`));
    }
  };
  for (const { events } of log) for (const event of events) compare("the log", event);
  for (const event of archive) compare("MySQL", event);
  for (const { name, shown } of devices) for (const event of shown) compare(name, event);
  return found;
}

/** Of a recalled message some observers have the content, and some only its place. */
function isSame(one: MessageFacts, other: MessageFacts, isRecalled: boolean): boolean {
  const isEmpty = isRecalled && (one.content === "" || other.content === "");
  return one.senderId === other.senderId && (isEmpty || one.content === other.content);
}

function toldOutOfOrder(
  { name, userId, shown, resyncs }: Evidence["devices"][number],
  membership: Membership,
): Violation[] {
  const found: Violation[] = [];
  const pulls = new Map(shown.filter(({ by }) => by === "pull").map((event) => [place(event), event.at]));
  const firstResync = resyncs[0] ?? Number.POSITIVE_INFINITY;
  // The app may be ahead of the delivered events: it fetched them before, because it had to resync, or because the user joined
  // a group, perhaps a large one whose events are fetched.
  const fetched = (from: number, { conversationId, seq: to, at }: ShownEvent) => {
    for (let seq = from; seq < to; seq++) {
      if (!membership.has(userId, { conversationId, seq })) continue;
      const pulledAt = pulls.get(place({ conversationId, seq }));
      if (pulledAt === undefined || pulledAt > at) return false;
      if (pulledAt < firstResync && !isGroup(conversationId)) return false;
    }
    return true;
  };
  const told = shown.filter(({ by }) => by === "deliver");
  for (const events of groupBy(told, ({ conversationId }) => conversationId).values()) {
    let last: ShownEvent | undefined;
    for (const event of events) {
      const { at, seq } = last ?? { at: 0, seq: 0 };
      if (seq > event.seq) found.push(violation("I3", `${place(event)} came to ${name} after #${seq}`));
      else if (
        event.seq > membership.next(userId, event.conversationId, seq) &&
        !resyncs.some((resync) => resync >= at) &&
        !fetched(seq + 1, event)
      ) {
        found.push(violation("I3", `${name} got ${place(event)} after #${seq}, and was not told to compare`));
      }
      last = event;
    }
  }
  return found;
}

function overtaken({ messages }: Evidence): Violation[] {
  const found: Violation[] = [];
  const kept = messages.filter(({ repeated, answers }) => !repeated && answers.length > 0);
  for (const sent of groupBy(kept, ({ device, conversationId }) => `${device} ${conversationId}`).values()) {
    let last = 0;
    for (const { conversationId, device, answers } of sent.sort((a, b) => a.order - b.order)) {
      const { seq } = answers[0]!;
      if (seq < last)
        found.push(violation("I3", `${place({ conversationId, seq })} of ${device} was sent after #${last}`));
      last = Math.max(last, seq);
    }
  }
  return found;
}
