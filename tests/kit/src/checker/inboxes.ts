/**
 * I6: when the cluster is quiet, an inbox contains, without a gap, its user's events since its epoch began, at most the newest
 * 1,000. On the wire, a number of an epoch means one event for ever, and one connection never skips a number.
 *
 * At the end of a run a message must have gone into every conversation after the last fault, so that every conversation
 * has an event in the newest epoch.
 */
import type { DeviceHistory, Evidence, InboxSnapshot } from "../history/evidence";
import { Membership } from "../history/membership";
import { groupBy, place, type Violation, violation } from "./violation";

const MOST_EVENTS = 1_000;

export function checkInboxes(evidence: Evidence): Violation[] {
  const { inboxes, devices, archive } = evidence;
  const membership = new Membership(evidence);
  const last = new Map<string, number>();
  for (const { conversationId, seq } of archive) {
    last.set(conversationId, Math.max(seq, last.get(conversationId) ?? 0));
  }
  return [...inboxes.flatMap((inbox) => checkInbox(inbox, last, membership)), ...devices.flatMap(checkWire)];
}

function checkInbox(
  { userId, head, events }: InboxSnapshot,
  last: Map<string, number>,
  membership: Membership,
): Violation[] {
  const found: Violation[] = [];
  const of = `the inbox of ${userId}`;
  if (events.length > MOST_EVENTS) found.push(violation("I6", `${of} holds ${events.length} events`));
  const newest = events.at(-1)?.inboxSeq ?? 0;
  if (newest !== head) found.push(violation("I6", `${of} ends at ${newest}, and its head says ${head}`));
  events.forEach(({ inboxSeq }, index) => {
    const before = events[index - 1]?.inboxSeq;
    if (before !== undefined && inboxSeq !== before + 1) {
      found.push(violation("I6", `${of} has ${inboxSeq} after ${before}`));
    }
  });
  const first = events[0]?.inboxSeq ?? 0;
  if (first > 1 && events.length < MOST_EVENTS) {
    found.push(violation("I6", `${of} begins at ${first} and holds only ${events.length} events`));
  }
  const byConversation = groupBy(events, ({ conversationId }) => conversationId);
  for (const list of byConversation.values()) {
    list.forEach((event, index) => {
      const before = list[index - 1]?.seq;
      if (before !== undefined && event.seq !== membership.next(userId, event.conversationId, before)) {
        found.push(violation("I6", `${of} has ${place(event)} after #${before}`));
      }
    });
  }
  for (const [conversationId, lastSeq] of last) {
    const seq = membership.last(userId, conversationId, lastSeq);
    if (seq === 0) continue;
    const held = byConversation.get(conversationId)?.at(-1)?.seq;
    // The newest 1,000 events may have pushed a quiet conversation out.
    if (held === undefined && events.length >= MOST_EVENTS) continue;
    if (held !== seq)
      found.push(violation("I6", `${of} has ${held ?? "nothing"} of ${place({ conversationId, seq })}`));
  }
  return found;
}

function checkWire({ name, deliveries }: DeviceHistory): Violation[] {
  const found: Violation[] = [];
  const meaning = new Map<string, string>();
  for (const { epoch, inboxSeq, ...event } of deliveries) {
    const number = `${inboxSeq} of epoch ${epoch}`;
    const known = meaning.get(number);
    if (known !== undefined && known !== place(event)) {
      found.push(violation("I6", `inbox number ${number} was ${known} and then ${place(event)} for ${name}`));
    }
    meaning.set(number, place(event));
  }
  for (const list of groupBy(deliveries, ({ connection, epoch }) => `${connection} ${epoch}`).values()) {
    // Unacknowledged events come again over the same connection, so a number that goes back is no gap.
    let highest = list[0]!.inboxSeq;
    for (const { inboxSeq, connection, epoch } of list) {
      if (inboxSeq > highest + 1) {
        found.push(violation("I6", `${name} got ${inboxSeq} after ${highest} (connection ${connection}, ${epoch})`));
      }
      highest = Math.max(highest, inboxSeq);
    }
  }
  return found;
}
