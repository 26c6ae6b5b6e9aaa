import type { CopyGroup } from "@carillon/bus";
import { checkLeaders } from "../src/doctor/cluster-checks";

const SERVERS = ["nats-1", "nats-2", "nats-3"];

/** Streams, led by those who are named. */
function streamsOf(leaders: string[], change: Partial<CopyGroup> = {}): CopyGroup[] {
  return leaders.map((leader, i) => ({
    stream: `LOG_${i}`,
    leader,
    followers: SERVERS.filter((server) => server !== leader).map((server) => ({ server, isLevel: true })),
    ...change,
  }));
}

test("who leads what is shown, also who leads nothing", () => {
  const consumers = streamsOf(["nats-2", "nats-3"], { consumer: "owner-1-1" });
  const [leaders, copies] = checkLeaders([...streamsOf(["nats-1", "nats-2", "nats-1"]), ...consumers]);
  expect(leaders).toEqual({
    name: "nats leaders",
    result: "ok",
    text: "nats-1 2 streams and 0 consumers, nats-2 1 streams and 1 consumers, nats-3 0 streams and 1 consumers",
  });
  expect(copies).toMatchObject({ result: "ok", text: "all are level" });
});

test("one that leads everything is a warning", () => {
  const [leaders] = checkLeaders(streamsOf(Array.from({ length: 12 }, () => "nats-1")));
  expect(leaders).toMatchObject({ result: "warning" });
  expect(leaders!.text).toMatch(/nats-1 12 streams.*nats-2 0 streams.*more than its share: nats-1$/);
  expect(leaders!.advice).toContain("api.spreadLeadersSeconds");
});

test("one that is away or behind is a warning, once", () => {
  const followers = [
    { server: "nats-2", isLevel: true },
    { server: "nats-3", isLevel: false },
  ];
  const [, copies] = checkLeaders(streamsOf(["nats-1", "nats-1"], { followers }));
  expect(copies).toMatchObject({ result: "warning", text: "away or behind: nats-3" });
});

test("NATS of one server has nothing to share", () => {
  expect(checkLeaders([])).toEqual([
    { name: "nats leaders", result: "not checked", text: "every stream has one copy" },
  ]);
});
