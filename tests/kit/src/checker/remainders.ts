/**
 * I7, I8, I10: when the cluster is quiet, all queues are empty, nothing has grown beyond its limit, and every question was
 * answered.
 */
import type { Evidence } from "../history/evidence";
import { type Violation, violation } from "./violation";

export function checkQueues({ queues }: Evidence): Violation[] {
  const found: Violation[] = [];
  for (const { partition, messages, consumers } of queues) {
    const held = consumers.reduce((sum, { pending, ackPending }) => sum + pending + ackPending, 0);
    if (messages !== held) {
      found.push(violation("I7", `queue ${partition} has ${messages} messages, its consumers know of ${held}`));
    }
    if (messages > 0) found.push(violation("I7", `queue ${partition} still has ${messages} messages`));
    if (consumers.length !== 1) {
      const names = consumers.map(({ name }) => name).join(", ");
      found.push(violation("I8", `queue ${partition} has ${consumers.length} consumers: ${names}`));
    }
  }
  return found;
}

export function checkBounds({ peaks }: Evidence): Violation[] {
  return peaks
    .filter(({ most, bound }) => most > bound)
    .map(({ what, most, bound }) => violation("I8", `${what}: ${most}, the bound is ${bound}`));
}

export function checkAnswers({ messages }: Evidence): Violation[] {
  return messages
    .filter(({ answers }) => answers.length === 0)
    .map(({ device, conversationId, clientMsgId, refusals }) => {
      const last = refusals.at(-1)?.name ?? "no answer at all";
      return violation("I10", `${clientMsgId} of ${device} in ${conversationId} was never taken: ${last}`);
    });
}
