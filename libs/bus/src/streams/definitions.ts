/**
 * Every stream, subject and consumer of the message path, in one place. The coordination buckets are defined in
 * libs/coordination, which knows nothing of messages.
 */
import type { Settings } from "@carillon/base/node";
import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  DiscardPolicy,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import type { Bus } from "../connection";

const MIB = 1024 * 1024;

/** Time in which NATS recognises a repeated publish with the same Nats-Msg-Id; later the dedupe table does. */
const DUPLICATE_WINDOW_MS = 120_000;

/** Time that a batch may wait at the owner, for the batch before it or for NATS; then NATS hands it out again. */
const ACK_WAIT_MS = 30_000;

export const queueStream = (partition: number) => `IN_${partition}`;
export const queueSubject = (partition: number) => `im.in.${partition}`;
export const logStream = (partition: number) => `LOG_${partition}`;
export const logSubject = (partition: number) => `im.log.${partition}`;
export const RECEIPTS_STREAM = "RECEIPTS";
export const receiptsSubject = (partition: number) => `im.receipts.${partition}`;
export const DEAD_STREAM = "DEAD";
export const deadSubject = (partition: number) => `im.dead.${partition}`;
export const gatewaySubject = (nodeId: string) => `im.gw.${nodeId}`;
/**
 * Closings and notices of apis and of the command line to one gateway. They have a subject of their own, so that only workers
 * have the right to send answers and events of messages.
 */
export const orderSubject = (nodeId: string) => `im.order.${nodeId}`;
/** The name under which an api receives answers as a gateway does; the dot distinguishes it from all node ids. */
export const apiLink = (nodeId: string) => `api.${nodeId}`;
/** Names of senders on the links to gateways: a worker has its node id; the dot distinguishes other senders from node ids. */
export const apiSender = (nodeId: string) => `api.${nodeId}`;
export const commandSender = (id: string) => `command.${id}`;

export function senderRole(sender: string): "worker" | "api" | "command" {
  if (sender.startsWith("api.")) return "api";
  return sender.startsWith("command.") ? "command" : "worker";
}

/** Events of a large group, for the gateways that have members of it. */
export const groupSubject = (groupId: string) => `im.group.${groupId}`;
/**
 * Presence of a user, from the gateways with the user's devices to the gateways of users who watch. Commas replace the dots of
 * the id, which would split the subject; ids contain no comma.
 */
export const presenceSubject = (userId: string) => `im.presence.${userId.replaceAll(".", ",")}`;
export const rpcSubject = (name: string) => `im.rpc.${name}`;
export const ownerSubject = (partition: number) => `im.rpc.owner.${partition}`;
export const controlSubject = (role: string, nodeId: string) => `im.ctl.${role}.${nodeId}`;

/** Name of the consumer of an owner. It is never reused, because the server would accept acks of its former life. */
export const ownerConsumer = (ownerEpoch: number, attempt: number) => `owner-${ownerEpoch}-${attempt}`;

/** Epoch of the owner that created a consumer; undefined for any other consumer. */
export function epochOfConsumer(name: string): number | undefined {
  const [, ownerEpoch] = /^owner-(\d+)-\d+$/.exec(name) ?? [];
  return ownerEpoch === undefined ? undefined : Number(ownerEpoch);
}

export const RECEIPTS_CONSUMER = "receipts";

/** The streams of a cluster with `partitions` partitions. */
export function streamDefinitions(partitions: number, settings: Settings["nats"]): Partial<StreamConfig>[] {
  const common = {
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    num_replicas: settings.replicas,
    max_bytes: settings.streamMegabytes * MIB,
    duplicate_window: nanos(DUPLICATE_WINDOW_MS),
    // Decisions depend on these reads, so only the leader may answer, not a copy that lags.
    allow_direct: false,
  };
  const definitions: Partial<StreamConfig>[] = [
    { ...common, name: RECEIPTS_STREAM, subjects: ["im.receipts.*"], retention: RetentionPolicy.Workqueue },
    { ...common, name: DEAD_STREAM, subjects: ["im.dead.*"], retention: RetentionPolicy.Limits },
  ];
  for (let p = 0; p < partitions; p++) {
    definitions.push(
      { ...common, name: queueStream(p), subjects: [queueSubject(p)], retention: RetentionPolicy.Workqueue },
      { ...common, name: logStream(p), subjects: [logSubject(p)], retention: RetentionPolicy.Limits },
    );
  }
  return definitions;
}

/** Names of the same streams. */
export function messageStreams(partitions: number): string[] {
  const queuesAndLogs = Array.from({ length: partitions }, (_, p) => [queueStream(p), logStream(p)]);
  return [RECEIPTS_STREAM, DEAD_STREAM, ...queuesAndLogs.flat()];
}

/** The consumer through which one owner takes the requests of its partition. */
export function ownerConsumerDefinition(
  ownerEpoch: number,
  attempt: number,
): Partial<ConsumerConfig> & { name: string } {
  const name = ownerConsumer(ownerEpoch, attempt);
  return {
    name,
    durable_name: name,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    ack_wait: nanos(ACK_WAIT_MS),
    max_ack_pending: 4096,
    // An acknowledged batch has left the queue, and that is on disk. With the consumer in a file, NATS would write each round of
    // acknowledgements to a new file: three fsyncs. A restarted server has forgotten the consumer; the owner creates the next
    // one.
    mem_storage: true,
  };
}

/** The consumer that all workers share: the order of receipts does not matter. */
export const receiptsConsumerDefinition: Partial<ConsumerConfig> & { name: string } = {
  name: RECEIPTS_CONSUMER,
  durable_name: RECEIPTS_CONSUMER,
  ack_policy: AckPolicy.Explicit,
  deliver_policy: DeliverPolicy.All,
  ack_wait: nanos(ACK_WAIT_MS),
  max_ack_pending: 4096,
};

const ANSWER_MS = 2_000;

/**
 * Returns the names of the consumers of a stream.
 *
 * It does not use the list with their states: in a cluster that list waits 4 s for a consumer without a leader, and then leaves
 * it out.
 * @throws Error when NATS does not answer
 */
export async function consumerNames(bus: Bus, stream: string): Promise<string[]> {
  const names: string[] = [];
  for (;;) {
    const question = JSON.stringify({ offset: names.length });
    const answer = await bus.connection.request(`$JS.API.CONSUMER.NAMES.${stream}`, question, { timeout: ANSWER_MS });
    const { error, consumers, total = 0 } = answer.json<NamesAnswer>();
    if (error !== undefined) throw new Error(`the consumers of ${stream} are not known: ${error.description}`);
    names.push(...(consumers ?? []));
    if (!consumers?.length || names.length >= total) return names;
  }
}

interface NamesAnswer {
  error?: { description: string };
  consumers?: string[] | null;
  total?: number;
}
