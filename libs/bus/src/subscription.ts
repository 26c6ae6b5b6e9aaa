import { guarded } from "@carillon/base";
import type { Msg } from "@nats-io/transport-node";
import type { Bus } from "./connection";

/**
 * Subscribes to a subject. An error in `onMessage` goes no further, because it would silently end the reading of the
 * client library's whole connection.
 * @param queue queue group; one of its members gets each message
 * @returns an unsubscribe function
 */
export function subscribe(bus: Bus, subject: string, onMessage: (message: Msg) => unknown, queue?: string): () => void {
  const guardedMessage = guarded("subscription", onMessage);
  const subscription = bus.connection.subscribe(subject, {
    ...(queue === undefined ? {} : { queue }),
    callback: (error, message) => {
      if (error === null) guardedMessage(message);
    },
  });
  return () => subscription.unsubscribe();
}
