/** Checks that the servers of a NATS cluster share the work, and that their copies are level. Pure. */
import { type CopyGroup, countLed, crowdedServers, kindsOf } from "@carillon/bus";
import { type Check, judge, notChecked } from "./check";

const LEADERS = "nats leaders";
const COPIES = "nats copies";

/** @param groups all streams and consumers that have several copies */
export function checkLeaders(groups: readonly CopyGroup[]): Check[] {
  if (groups.length === 0) return [notChecked(LEADERS, "every stream has one copy")];
  const [streams = [], consumers = []] = kindsOf(groups);
  const [ofStreams, ofConsumers] = [countLed(streams), countLed(consumers)];
  const led = [...ofStreams].map(
    ([server, count]) => `${server} ${count} streams and ${ofConsumers.get(server) ?? 0} consumers`,
  );
  const crowded = [...new Set([streams, consumers].flatMap(crowdedServers))];
  const tooMuch = crowded.length === 0 ? "" : `; more than its share: ${crowded.join(", ")}`;
  const behind = groups.flatMap(({ followers }) => followers.filter(({ isLevel }) => !isLevel));
  const names = [...new Set(behind.map(({ server }) => server))].sort().join(", ");
  return [
    judge(LEADERS, crowded.length === 0, `${led.join(", ")}${tooMuch}`, {
      result: "warning",
      advice:
        "an api lets it hand over one each 5 s when all servers have been healthy for api.spreadLeadersSeconds; otherwise read the log of the api",
    }),
    judge(COPIES, behind.length === 0, names === "" ? "all are level" : `away or behind: ${names}`, {
      result: "warning",
      advice:
        "until it is level, the death of another NATS server stops everything: check that it is up, and read its log",
    }),
  ];
}
