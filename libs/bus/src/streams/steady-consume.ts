/**
 * `consume()` as every reader of ours does it: it ends with an error as soon as its server is silent.
 *
 * Left alone, the client library asks for the consumer when heartbeats are missing, and, if that has no answer because
 * the consumer's leader died and another is being elected, asks again 30 s later; until then nothing arrives and
 * nobody is told (measured). A consumer in memory may be gone together with its server. And what was on its way over a
 * connection that was lost comes again only after the ack_wait. In all three cases a new consumer is the way out, and
 * who reads knows where it has to begin.
 */
import { guarded } from "@carillon/base";
import type { Consumer, ConsumerMessages } from "@nats-io/jetstream";
import type { Bus } from "../connection";

/** A server that has nothing to say sends a heartbeat at this interval, ms. */
const HEARTBEAT_MS = 1_000;
/** So many intervals without a word are silence: one more than the server's own timer may be late. */
const MOST_QUIET = 3;

/** The consumer tells nothing any more: open another. */
export class ConsumerSilent extends Error {
  constructor(why: string) {
    super(`a consumer has to be opened again: ${why}`);
    this.name = "ConsumerSilent";
  }
}

/**
 * @param maxMessages pulled ahead of what is taken
 * @returns messages whose iteration throws ConsumerSilent, or the library's error when the consumer was deleted
 */
export async function consumeSteadily(bus: Bus, consumer: Consumer, maxMessages: number): Promise<ConsumerMessages> {
  const messages = await consumer.consume({
    max_messages: maxMessages,
    idle_heartbeat: HEARTBEAT_MS,
    abort_on_missing_resource: true,
  });
  // Intervals are counted, and no times compared: the library's own watch fails when the wall clock is set back.
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
