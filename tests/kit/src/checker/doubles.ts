/** I2: one (sender, conversation, clientMsgId) has one number for ever, and each device shows it once. */
import type { Evidence } from "../history/evidence";
import { place, type Violation, violation } from "./violation";

export function checkDoubles(evidence: Evidence): Violation[] {
  return [...manyNumbers(evidence), ...shownTwice(evidence), ...storedTwice(evidence)];
}

function manyNumbers({ messages, log, archive, devices }: Evidence): Violation[] {
  const numbers = new Map<string, Set<string>>();
  const note = (senderId: string, conversationId: string, clientMsgId: string, number: string) => {
    const key = `${senderId} in ${conversationId}: ${clientMsgId}`;
    const set = numbers.get(key);
    if (set === undefined) numbers.set(key, new Set([number]));
    else set.add(number);
  };
  for (const { senderId, conversationId, clientMsgId, answers } of messages) {
    for (const { seq, messageId } of answers) note(senderId, conversationId, clientMsgId, `#${seq} ${messageId}`);
  }
  const seen = [...log.flatMap(({ events }) => events), ...archive, ...devices.flatMap(({ shown }) => shown)];
  for (const { senderId, conversationId, clientMsgId, seq, messageId } of seen) {
    note(senderId, conversationId, clientMsgId, `#${seq} ${messageId}`);
  }
  return [...numbers]
    .filter(([, set]) => set.size > 1)
    .map(([key, set]) => violation("I2", `${key} has several numbers: ${[...set].join(", ")}`));
}

function shownTwice({ devices }: Evidence): Violation[] {
  const found: Violation[] = [];
  for (const { name, shown } of devices) {
    const seen = new Set<string>();
    for (const event of shown) {
      if (seen.has(place(event))) found.push(violation("I2", `${place(event)} was shown twice by ${name}`));
      seen.add(place(event));
    }
  }
  return found;
}

function storedTwice({ log, archive }: Evidence): Violation[] {
  const found: Violation[] = [];
  for (const [store, events] of [
    ["the log", log.flatMap((record) => record.events)],
    ["MySQL", archive],
  ] as const) {
    const seen = new Set<string>();
    for (const { senderId, conversationId, clientMsgId } of events) {
      const key = `${senderId} ${conversationId} ${clientMsgId}`;
      if (seen.has(key)) found.push(violation("I2", `${conversationId}: ${clientMsgId} is twice in ${store}`));
      seen.add(key);
    }
  }
  return found;
}
