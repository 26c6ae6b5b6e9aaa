import { guarded } from "@carillon/base";
import type { Msg } from "@nats-io/transport-node";
import type { Bus } from "./connection";

/**
 * Subscribes to a subject. An error in `onMessage` goes no further, because it would silently end the reading of the
 * client library's whole connection.
 * @param subject without wildcards. A message that names another subject is dropped: NATS lets every account that may create a
 *   consumer send what a stream has to any subject, but then the message still names its own (docs/decisions/0040).
 * @param queue queue group; one of its members gets each message
 * @returns an unsubscribe function
 */
export function subscribe(bus: Bus, subject: string, onMessage: (message: Msg) => unknown, queue?: string): () => void {
  const guardedMessage = guarded("subscription", onMessage);
  const subscription = bus.connection.subscribe(subject, {
    ...(queue === undefined ? {} : { queue }),
    callback: (error, message) => {
      if (error === null && message.subject === subject) guardedMessage(message);
    },
  });
  return () => subscription.unsubscribe();
}
