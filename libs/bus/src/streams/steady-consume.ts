/**
 * `consume()` for every reader: it ends with an error as soon as its server is silent.
 *
 * By itself, the client library asks for the consumer when heartbeats are missing. If there is no answer, because the consumer's
 * leader died and an election runs, it asks again 30 s later; until then no message arrives and no error is reported (measured).
 * A consumer in memory may be gone together with its server. And messages in flight over a lost connection come again only
 * after the ack_wait. In all three cases the reader opens a new consumer, and knows where that has to begin.
 */
import { guarded } from "@carillon/base";
import type { Consumer, ConsumerMessages } from "@nats-io/jetstream";
import type { Bus } from "../connection";

/** Interval at which a server without messages sends a heartbeat, ms. */
const HEARTBEAT_MS = 1_000;
/** Number of intervals without any message that count as silence: one more than the server's own timer may be late. */
const MOST_QUIET = 3;

/** The consumer is silent: the reader must open another. */
export class ConsumerSilent extends Error {
  constructor(why: string) {
    super(`a consumer has to be opened again: ${why}`);
    this.name = "ConsumerSilent";
  }
}

/**
 * @param maxMessages number of messages pulled ahead
 * @returns messages; their iteration throws ConsumerSilent, or the library's error when the consumer was deleted
 */
export async function consumeSteadily(bus: Bus, consumer: Consumer, maxMessages: number): Promise<ConsumerMessages> {
  const messages = await consumer.consume({
    max_messages: maxMessages,
    idle_heartbeat: HEARTBEAT_MS,
    abort_on_missing_resource: true,
  });
  // It counts intervals instead of comparing times: the library's own watch fails when the wall clock is set back.
  let [received, quiet] = [messages.getReceived(), 0];
  const look = () => {
    quiet = messages.getReceived() === received ? quiet + 1 : 0;
    received = messages.getReceived();
    if (quiet > MOST_QUIET) messages.stop(new ConsumerSilent("nothing is heard of it"));
  };
  const timer = setInterval(guarded("timer", look), HEARTBEAT_MS);
  const stopFollowing = bus.onReconnect(() => messages.stop(new ConsumerSilent("the connection was lost")));
  const listen = async () => {
    for await (const { type } of messages.status()) if (type === "heartbeat") quiet = 0;
  };
  void listen().finally(() => {
    clearInterval(timer);
    stopFollowing();
  });
  return messages;
}
