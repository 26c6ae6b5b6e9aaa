/**
 * I9: no event reaches a user who is not a member, nor a device with void tokens after its connection was closed; and such a
 * connection is closed. The content of a recalled message is gone.
 */
import type { Evidence, RevokedDevice } from "../history/evidence";
import { Membership } from "../history/membership";
import { place, type Violation, violation } from "./violation";

export function checkPrivacy(evidence: Evidence): Violation[] {
  return [...strangers(evidence), ...takenBack(evidence), ...evidence.revoked.flatMap(checkRevoked)];
}

function strangers(evidence: Evidence): Violation[] {
  const { devices, inboxes } = evidence;
  const membership = new Membership(evidence);
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

/** The content of a recalled message is nowhere where a user could read it. */
function takenBack({ recalled, archive, inboxes }: Evidence): Violation[] {
  const places = new Set(recalled.map(place));
  const archived = archive.filter((event) => places.has(place(event)) && event.content !== "");
  const held = inboxes.flatMap(({ userId, events }) =>
    events.filter((event) => places.has(place(event)) && event.hasContent).map((event) => ({ event, userId })),
  );
  return [
    ...archived.map((event) => violation("I9", `${place(event)} was taken back, and MySQL has its content`)),
    ...held.map(({ event, userId }) =>
      violation("I9", `${place(event)} was taken back, and the inbox of ${userId} has its content`),
    ),
  ];
}

const REFUSALS = ["TOKEN_REVOKED", "NOT_AUTHENTICATED"];

/** The time until a connection is closed is checked by bounds, not here. */
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
