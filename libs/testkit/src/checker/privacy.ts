/** I9: nothing reaches who is not a member, or a device whose tokens are void once it was closed; and it is closed. */
import type { Evidence, RevokedDevice } from "../history/evidence";
import { Membership } from "../history/membership";
import { place, type Violation, violation } from "./violation";

export function checkPrivacy(evidence: Evidence): Violation[] {
  return [...strangers(evidence), ...evidence.revoked.flatMap(checkRevoked)];
}

function strangers({ devices, inboxes, stays }: Evidence): Violation[] {
  const membership = new Membership(stays);
  const found: Violation[] = [];
  const check = (userId: string, what: string, events: { conversationId: string; seq: number }[]) => {
    for (const event of events) {
      if (!membership.has(userId, event)) {
        found.push(violation("I9", `${place(event)} reached ${what}`));
      }
    }
  };
  for (const { name, userId, shown, deliveries } of devices) check(userId, name, [...shown, ...deliveries]);
  for (const { userId, events } of inboxes) check(userId, `the inbox of ${userId}`, events);
  return found;
}

const REFUSALS = ["TOKEN_REVOKED", "NOT_AUTHENTICATED"];

/** How soon it is closed is a matter of bounds. */
function checkRevoked({ name, closedAt, events, reconnect }: RevokedDevice): Violation[] {
  const found: Violation[] = [];
  if (closedAt === undefined) found.push(violation("I9", `${name} was revoked and never closed`));
  else {
    const late = events.filter((at) => at > closedAt).length;
    if (late > 0) found.push(violation("I9", `${late} events reached ${name} after it was revoked and closed`));
  }
  if (!REFUSALS.includes(reconnect)) {
    found.push(violation("I9", `${name} came again with a revoked token, and the answer was: ${reconnect}`));
  }
  return found;
}
