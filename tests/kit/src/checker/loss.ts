/** I1: every acknowledged message is in MySQL, and every device of every member received it. */
import type { Evidence, MessageFacts } from "../history/evidence";
import { Membership } from "../history/membership";
import { place, type Violation, violation } from "./violation";

export function checkLoss(evidence: Evidence): Violation[] {
  return [...notArchived(evidence), ...notShown(evidence)];
}

function notArchived({ messages, archive, log }: Evidence): Violation[] {
  const archived = new Map(archive.map((each) => [place(each), each]));
  const found: Violation[] = [];
  for (const { conversationId, clientMsgId, answers } of messages) {
    const answer = answers[0];
    if (answer === undefined) continue;
    const where = place({ conversationId, seq: answer.seq });
    if (archived.get(where)?.clientMsgId !== clientMsgId) {
      found.push(violation("I1", `${where} (${clientMsgId}) was acknowledged and is not in MySQL`));
    }
  }
  for (const event of log.flatMap(({ events }) => events)) {
    if (!archived.has(place(event))) found.push(violation("I1", `${place(event)} is in the log and not in MySQL`));
  }
  return found;
}

/** Messages without an answer count as well: a message exists as soon as a store has it. */
function notShown(evidence: Evidence): Violation[] {
  const { devices, archive, log, messages } = evidence;
  const membership = new Membership(evidence);
  const existing = new Map<string, Pick<MessageFacts, "conversationId" | "seq">>();
  for (const { conversationId, seq } of [...archive, ...log.flatMap(({ events }) => events)]) {
    existing.set(place({ conversationId, seq }), { conversationId, seq });
  }
  for (const { conversationId, answers } of messages) {
    for (const { seq } of answers) existing.set(place({ conversationId, seq }), { conversationId, seq });
  }
  const found: Violation[] = [];
  for (const { name, userId, shown } of devices) {
    const seen = new Set(shown.map(place));
    for (const [where, event] of existing) {
      if (membership.has(userId, event) && !seen.has(where)) {
        found.push(violation("I1", `${where} never came to ${name}`));
      }
    }
  }
  return found;
}
