import { guarded } from "@carillon/base";
import type { Msg } from "@nats-io/transport-node";
import type { Bus } from "./connection";

/**
 * Hears what is published under a subject. An error in `onMessage` goes no further: the client library would end the
 * reading of the whole connection by it, without a word.
 * @param queue with a queue group, one of its members hears each message
 * @returns ends it
 */
export function hear(bus: Bus, subject: string, onMessage: (message: Msg) => unknown, queue?: string): () => void {
  const guardedMessage = guarded("subscription", onMessage);
  const subscription = bus.connection.subscribe(subject, {
    ...(queue === undefined ? {} : { queue }),
    callback: (error, message) => {
      if (error === null) guardedMessage(message);
    },
  });
  return () => subscription.unsubscribe();
}
