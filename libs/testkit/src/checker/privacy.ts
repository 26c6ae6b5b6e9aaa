/** I9: nothing reaches who is not a member. */
import { type Evidence, membersOf } from "../history/evidence";
import { place, type Violation, violation } from "./violation";

export function checkPrivacy({ devices, inboxes }: Evidence): Violation[] {
  const found: Violation[] = [];
  const check = (userId: string, what: string, events: { conversationId: string; seq: number }[]) => {
    for (const event of events) {
      if (!membersOf(event.conversationId).includes(userId)) {
        found.push(violation("I9", `${place(event)} reached ${what}`));
      }
    }
  };
  for (const { name, userId, shown, deliveries } of devices) check(userId, name, [...shown, ...deliveries]);
  for (const { userId, events } of inboxes) check(userId, `the inbox of ${userId}`, events);
  return found;
}
