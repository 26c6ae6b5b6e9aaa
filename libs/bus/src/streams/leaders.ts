/**
 * The leaders in a cluster of NATS servers. Every stream of several copies, and every consumer of such a stream, is a group of
 * its own: one of its servers leads it, decides and does most of the work; the others follow.
 *
 * A server that was away leads nothing when it is back, because NATS elects a leader only where one is missing.
 */
import type { ClusterInfo, PeerInfo } from "@nats-io/jetstream";
import { millis } from "@nats-io/transport-node";
import type { Bus } from "../connection";
import { consumerNames, queueStream, RECEIPTS_STREAM } from "./definitions";

const ANSWER_MS = 2_000;

/**
 * Limits for a level follower: entries that it may be behind while users write, and its silence in ms (it sends a heartbeat
 * every second).
 */
const MOST_BEHIND = 200;
const MOST_SILENT_MS = 5_000;

/** Maximum number of requests in flight of one look; nobody waits for its result. */
const AT_ONCE = 8;

/** The copies of one stream, or of the state of one consumer. */
export interface CopyGroup {
  stream: string;
  /** The consumer of that stream; undefined: the stream itself. */
  consumer?: string;
  /** Name of the leading server; undefined while there is no leader. */
  leader: string | undefined;
  followers: Follower[];
}

export interface Follower {
  server: string;
  /** Whether the follower is up and has all entries of the leader, or nearly all. */
  isLevel: boolean;
}

/** Streams whose consumers have as many copies as the stream; the consumers of logs have one copy. */
const hasGroupsOfConsumers = (stream: string, partitions: number) =>
  stream === RECEIPTS_STREAM || Array.from({ length: partitions }, (_, p) => queueStream(p)).includes(stream);

/**
 * Reads the leaders of the named streams and of the consumers of the queues, by one question each; without those of one copy.
 * @throws Error when the leader of one of them does not answer, or it was deleted meanwhile
 */
export async function readCopyGroups(bus: Bus, streams: readonly string[], partitions: number): Promise<CopyGroup[]> {
  const groups: CopyGroup[] = [];
  const left = [...streams];
  const ask = async () => {
    for (let stream = left.shift(); stream !== undefined; stream = left.shift()) {
      groups.push(...groupOf({ stream }, (await bus.jsm.streams.info(stream)).cluster));
      if (!hasGroupsOfConsumers(stream, partitions)) continue;
      for (const consumer of await consumerNames(bus, stream)) {
        groups.push(...groupOf({ stream, consumer }, (await bus.jsm.consumers.info(stream, consumer)).cluster));
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, ask));
  return groups;
}

function groupOf(name: Pick<CopyGroup, "stream" | "consumer">, cluster: ClusterInfo | undefined): CopyGroup[] {
  const { leader, replicas = [] } = cluster ?? {};
  const followers = replicas.map((replica) => ({ server: replica.name, isLevel: isLevel(replica) }));
  return followers.length === 0 ? [] : [{ ...name, leader: leader || undefined, followers }];
}

/**
 * Whether a follower is level. NATS calls a follower current when it lacks no entry at this moment, which changes all the time
 * while users write. A follower that is not current and lacks nothing has never been heard.
 */
function isLevel({ current, offline, active, lag = 0 }: PeerInfo): boolean {
  return offline !== true && millis(active) <= MOST_SILENT_MS && (current || (lag > 0 && lag <= MOST_BEHIND));
}

/** Number of these groups that each server leads, by name, including servers that lead none. */
export function countLed(groups: readonly CopyGroup[]): Map<string, number> {
  const led = new Map<string, number>();
  const add = (server: string, count: number) => led.set(server, (led.get(server) ?? 0) + count);
  for (const { leader, followers } of groups) {
    for (const { server } of followers) add(server, 0);
    if (leader !== undefined) add(leader, 1);
  }
  return new Map([...led].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Separates streams and consumers: consumers come and go, and cost far less. */
export function kindsOf(groups: readonly CopyGroup[]): CopyGroup[][] {
  return [
    groups.filter(({ consumer }) => consumer === undefined),
    groups.filter(({ consumer }) => consumer !== undefined),
  ];
}

/** Servers that lead more of these groups than their share plus one. */
export function crowdedServers(groups: readonly CopyGroup[]): string[] {
  const led = countLed(groups);
  const share = Math.ceil(groups.length / Math.max(1, led.size));
  return [...led].filter(([, count]) => count > share + 1).map(([server]) => server);
}

/**
 * Asks the leader of a group to hand over to a follower, so that no election is needed.
 * @throws Error when the leader does not answer or refuses
 */
export async function handOverLead(bus: Bus, { stream, consumer }: CopyGroup, to: string): Promise<void> {
  const subject =
    consumer === undefined ? `STREAM.LEADER.STEPDOWN.${stream}` : `CONSUMER.LEADER.STEPDOWN.${stream}.${consumer}`;
  const order = JSON.stringify({ placement: { preferred: to } });
  const answer = await bus.connection.request(`$JS.API.${subject}`, order, { timeout: ANSWER_MS });
  const { error } = answer.json<{ error?: { description: string } }>();
  if (error !== undefined) throw new Error(`${consumer ?? stream} is not handed over to ${to}: ${error.description}`);
}
