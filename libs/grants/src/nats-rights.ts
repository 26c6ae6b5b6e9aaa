/**
 * The subjects of each role. An account belongs to a role and not to a node, so a gateway can hear what is sent to another
 * gateway.
 *
 * A process that answers a question may publish to the inboxes of the roles that ask it. NATS could also allow each answer for a
 * moment (`allow_responses`), but then it keeps every question for that time, and looks through all of them at each further one.
 *
 * JetStream knows no rights of its own: a request to its API is a message to a subject that names the stream. `*` stands for a
 * whole part of a subject, so the streams of each partition are named one by one.
 */
import { type AccountRole, inboxOf, ROLES, type RoleName } from "@carillon/base";

export interface NatsRights {
  publish: string[];
  subscribe: string[];
}

/** @param partitions number of partitions of the cluster */
export function natsRights(role: AccountRole, partitions: number): NatsRights {
  if (role === "operator") return { publish: [">"], subscribe: [">"] };
  const { publish, subscribe } = OF_ROLE[role](new Partitions(partitions));
  return {
    publish: [...OF_EVERY_NODE.publish, `im.hb.${ROLES[role]}`, `$KV.nodes.${ROLES[role]}.*`, ...publish],
    // A node whose place another process takes listens for the heartbeats of that process.
    subscribe: [`${inboxOf(role)}.>`, `im.ctl.${ROLES[role]}.*`, `im.hb.${ROLES[role]}`, ...subscribe],
  };
}

const API = "$JS.API";
const read = (stream: string) => [`${API}.STREAM.INFO.${stream}`, `${API}.STREAM.MSG.GET.${stream}`];
/** Creates consumers of a stream and reads through them, without a right to acknowledge. */
const follow = (stream: string) => [
  ...read(stream),
  `${API}.CONSUMER.CREATE.${stream}.>`,
  `${API}.CONSUMER.INFO.${stream}.*`,
  `${API}.CONSUMER.MSG.NEXT.${stream}.*`,
  `${API}.CONSUMER.DELETE.${stream}.*`,
];
const take = (stream: string) => [`${API}.CONSUMER.NAMES.${stream}`, `$JS.ACK.${stream}.>`];
/** A bucket that nobody created yet, or that was deleted, is created by the first node that misses it. */
const open = (bucket: string) => [`${API}.STREAM.INFO.KV_${bucket}`, `${API}.STREAM.CREATE.KV_${bucket}`];
const readBucket = (bucket: string) => [
  `${API}.STREAM.MSG.GET.KV_${bucket}`,
  `${API}.DIRECT.GET.KV_${bucket}`,
  `${API}.DIRECT.GET.KV_${bucket}.>`,
];
const watch = (bucket: string) => [
  `${API}.CONSUMER.CREATE.KV_${bucket}.>`,
  `${API}.CONSUMER.INFO.KV_${bucket}.*`,
  `${API}.CONSUMER.DELETE.KV_${bucket}.*`,
  `$JS.FC.KV_${bucket}.>`,
];
const answer = (...roles: AccountRole[]) => roles.map((role) => `${inboxOf(role)}.>`);
const rpc = (...names: string[]) => names.map((name) => `im.rpc.${name}`);
const control = (...roles: RoleName[]) => roles.map((role) => `im.ctl.${ROLES[role]}.*`);

const SESSIONS = rpc("session.open", "session.check", "session.close", "received", "inbox", "heads", "groups");

/** What every node needs to find the cluster, its clock and its own place. */
const OF_EVERY_NODE = {
  publish: [
    `${API}.INFO`,
    ...read("KV_cluster"),
    ...["nodes", "partitions", "leases"].flatMap(open),
    ...readBucket("nodes"),
    ...watch("nodes"),
  ],
};

/** The streams of all partitions. */
class Partitions {
  readonly queues: string[];
  readonly logs: string[];

  constructor(count: number) {
    this.queues = Array.from({ length: count }, (_, partition) => `IN_${partition}`);
    this.logs = Array.from({ length: count }, (_, partition) => `LOG_${partition}`);
  }
}

const OF_ROLE: Record<RoleName, (partitions: Partitions) => NatsRights> = {
  gateway: () => ({
    publish: [
      "im.in.*",
      "im.receipts.*",
      "im.presence.*",
      ...SESSIONS,
      ...rpc("presence", "pull", "sync", "owner.*", "typing.*"),
      // They answer orders, closings and requests for tickets.
      ...answer("api", "operator"),
    ],
    subscribe: ["im.gw.*", "im.order.*", "im.group.*", "im.presence.*", ...rpc("typing.*", "udp.*")],
  }),
  worker: ({ queues, logs }) => ({
    publish: [
      "im.log.*",
      "im.dead.*",
      "im.gw.*",
      "im.gw.api.*",
      "im.group.*",
      ...rpc("owner.*"),
      ...queues.flatMap((stream) => [...follow(stream), ...take(stream)]),
      ...logs.flatMap(follow),
      `${API}.CONSUMER.INFO.RECEIPTS.receipts`,
      `${API}.CONSUMER.MSG.NEXT.RECEIPTS.receipts`,
      "$JS.ACK.RECEIPTS.receipts.>",
      `$KV.partitions.${ROLES.worker}.*`,
      ...answer("gateway", "worker", "api", "operator"),
    ],
    subscribe: [...SESSIONS, ...rpc("presence", "owner.*")],
  }),
  archiver: ({ queues, logs }) => ({
    publish: [
      "im.dead.*",
      // The times at which queue and log were created tell whether they still belong to each other.
      ...queues.map((stream) => `${API}.STREAM.INFO.${stream}`),
      ...logs.flatMap((stream) => [...follow(stream), `${API}.STREAM.PURGE.${stream}`]),
      `$KV.partitions.${ROLES.archiver}.*`,
      ...answer("api", "operator"),
    ],
    subscribe: [],
  }),
  api: ({ queues, logs }) => ({
    publish: [
      "im.in.*",
      "im.order.*",
      ...rpc("presence", "owner.*", "udp.*"),
      ...control("gateway", "worker", "archiver", "api"),
      "$KV.leases.>",
      ...readBucket("leases"),
      ...readBucket("partitions"),
      // Traces and audits of messages.
      ...logs.flatMap(follow),
      ...[...queues, "RECEIPTS"].map((stream) => `${API}.CONSUMER.LIST.${stream}`),
      ...leaders([...queues, ...logs, "RECEIPTS", "DEAD", ...BUCKETS], [...queues, "RECEIPTS"]),
      ...answer("gateway", "api", "operator"),
    ],
    subscribe: ["im.gw.api.*", ...rpc("pull", "sync")],
  }),
};

const BUCKETS = ["KV_cluster", "KV_nodes", "KV_partitions", "KV_leases"];

/** One api looks where the leaders of a NATS cluster are, and lets them hand over. */
function leaders(streams: string[], withConsumers: string[]): string[] {
  return [
    ...streams.flatMap((stream) => [`${API}.STREAM.INFO.${stream}`, `${API}.STREAM.LEADER.STEPDOWN.${stream}`]),
    ...withConsumers.flatMap((stream) => [
      `${API}.CONSUMER.NAMES.${stream}`,
      `${API}.CONSUMER.INFO.${stream}.*`,
      `${API}.CONSUMER.LEADER.STEPDOWN.${stream}.*`,
    ]),
  ];
}
