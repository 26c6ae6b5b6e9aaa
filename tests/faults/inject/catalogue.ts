/** All faults by name. Schedules and reports use these names. */
import { clientWithWrongClock } from "./client-clock";
import { fillDisk, losePower } from "./disk-faults";
import type { Fault } from "./fault";
import { recall, visitor } from "./group-faults";
import { cutAll, cutLink, silenceLink, slowLink } from "./link-faults";
import { hotConversation, largeContents, poison, slowReader } from "./load-faults";
import {
  killNatsFollower,
  killNatsLeader,
  killNatsServers,
  natsServerGoesOn,
  natsServerReturns,
  rollNatsServers,
} from "./nats-cluster";
import {
  failPoint,
  joinRole,
  killAll,
  killProcess,
  pauseProcess,
  restartProcess,
  rollRole,
  shiftClock,
} from "./processes";
import { purgedLogs } from "./purged-logs";
import { revoke } from "./revocations";
import { fillRedis, poisonInbox } from "./stand-stills";
import { ageRedis, killStore, pauseStore, stopMysql, wipeRedis } from "./stores";
import { emptyMysql, emptyNats, olderMysql, olderNats } from "./strange-stores";

const SLOW_MS = 100;
const HOT_RATE = 400;
const LARGE_BYTES = 12_000;

export const faults = {
  "kill gateway": killProcess("gateway"),
  "kill worker": killProcess("worker"),
  "kill archiver": killProcess("archiver"),
  "kill api": killProcess("api"),
  "kill all gateways": killAll("gateway"),
  "pause gateway": pauseProcess("gateway"),
  "pause worker": pauseProcess("worker"),
  "pause archiver": pauseProcess("archiver"),
  "pause worker before append": failPoint("worker", "append.before", "pause"),
  "pause worker after append": failPoint("worker", "append.after", "pause"),
  "pause worker in fan-out": failPoint("worker", "fan-out.before", "pause"),
  "worker dies at consume.before": failPoint("worker", "consume.before", "kill"),
  "worker dies at consume.after": failPoint("worker", "consume.after", "kill"),
  "worker dies at decide.before": failPoint("worker", "decide.before", "kill"),
  "worker dies at decide.after": failPoint("worker", "decide.after", "kill"),
  "worker dies at append.before": failPoint("worker", "append.before", "kill"),
  "worker dies at append.after": failPoint("worker", "append.after", "kill"),
  "worker dies at acknowledge.before": failPoint("worker", "acknowledge.before", "kill"),
  "worker dies at acknowledge.after": failPoint("worker", "acknowledge.after", "kill"),
  "worker dies at fan-out.before": failPoint("worker", "fan-out.before", "kill"),
  "worker dies at fan-out.after": failPoint("worker", "fan-out.after", "kill"),
  "gateway dies at receive.after": failPoint("gateway", "receive.after", "kill"),
  "gateway dies at submit.after": failPoint("gateway", "submit.after", "kill"),
  "gateway dies at deliver.before": failPoint("gateway", "deliver.before", "kill"),
  "gateway dies at deliver.after": failPoint("gateway", "deliver.after", "kill"),
  "archiver dies at read.after": failPoint("archiver", "read.after", "kill"),
  "archiver dies at write.before": failPoint("archiver", "write.before", "kill"),
  "archiver dies at write.after": failPoint("archiver", "write.after", "kill"),
  "restart gateway": restartProcess("gateway"),
  "restart worker": restartProcess("worker"),
  "restart archiver": restartProcess("archiver"),
  "roll gateways": rollRole("gateway"),
  "roll workers": rollRole("worker"),
  "roll archivers": rollRole("archiver"),
  "join gateway": joinRole("gateway"),
  "join worker": joinRole("worker"),
  "join archiver": joinRole("archiver"),
  "kill nats": killStore("nats"),
  "kill redis": killStore("redis"),
  "kill mysql": killStore("mysql"),
  "kill nats leader": killNatsLeader,
  "kill nats follower": killNatsFollower,
  "nats server away and back": natsServerReturns,
  "nats server stands still and goes on": natsServerGoesOn,
  "kill two nats servers": killNatsServers(2),
  "kill all nats servers": killNatsServers(3),
  "roll nats servers": rollNatsServers,
  "pause nats": pauseStore("nats"),
  "pause redis": pauseStore("redis"),
  "pause mysql": pauseStore("mysql"),
  "stop mysql": stopMysql,
  "wipe redis": wipeRedis,
  "age redis": ageRedis,
  "cut worker-nats": cutLink("worker", "nats"),
  "cut gateway-nats": cutLink("gateway", "nats"),
  "cut worker-redis": cutLink("worker", "redis"),
  "cut all workers-redis": cutAll("worker", "redis"),
  "cut archiver-mysql": cutLink("archiver", "mysql"),
  "silence worker-nats": silenceLink("worker", "nats", "both"),
  "silence worker to nats": silenceLink("worker", "nats", "to-server"),
  "silence nats to worker": silenceLink("worker", "nats", "to-client"),
  "silence gateway to nats": silenceLink("gateway", "nats", "to-server"),
  "silence nats to gateway": silenceLink("gateway", "nats", "to-client"),
  "silence worker to redis": silenceLink("worker", "redis", "to-server"),
  "silence redis to worker": silenceLink("worker", "redis", "to-client"),
  "slow worker-nats": slowLink("worker", "nats", SLOW_MS),
  "slow worker-redis": slowLink("worker", "redis", SLOW_MS),
  "shift worker clock": shiftClock("worker"),
  "shift gateway clock": shiftClock("gateway"),
  "shift archiver clock": shiftClock("archiver"),
  "client an hour ahead": clientWithWrongClock(1),
  "client an hour back": clientWithWrongClock(2),
  "slow reader": slowReader,
  "hot conversation": hotConversation(HOT_RATE),
  "large contents": largeContents(LARGE_BYTES),
  poison,
  "visitor comes and goes": visitor,
  "take a message back": recall,
  "log out": revoke("itself"),
  "lose device": revoke("another"),
  "fill disk": fillDisk,
  "lose power": losePower,
  "poison an inbox": poisonInbox,
  "fill redis": fillRedis,
  "purge logs": purgedLogs,
  "empty nats": emptyNats,
  "older nats": olderNats,
  "empty mysql": emptyMysql,
  "older mysql": olderMysql,
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof faults;
