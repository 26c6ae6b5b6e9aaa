import type { Bus } from "@carillon/bus";
import { Command, FrameDecoder, readValue } from "@carillon/protocol";
import type { ClientConnection } from "../src/accept/client-connection";
import { SessionOpener } from "../src/session/open-session";
import { Session, sessionLimits } from "../src/session/session";

test("a CONNECT that is repeated after BUSY counts from its own arrival, not from the accept", async () => {
  const answers: number[] = [];
  const connection = {
    remote: "test",
    send: (bytes: Uint8Array) => void answers.push(...new FrameDecoder().push(bytes).map(({ command }) => command)),
  } as unknown as ClientConnection;
  const session = new Session(1, connection, sessionLimits({ framesPerSecond: 1, framesBurst: 1 }, 0), 0, () => {});
  const asked: unknown[] = [];
  let now = 1_000;
  const bus = {
    clock: { now: () => now, monotonic: () => now },
    logger: { debug: () => {} },
    connection: {
      request: async (_: string, bytes: Uint8Array) => {
        asked.push(readValue(bytes));
        throw new Error("no worker is there");
      },
    },
  } as unknown as Bus;
  const token = { userId: "alice", deviceId: "d", platform: "web", tokenVersion: 1, expiresAt: 2 ** 40 };
  const opener = new SessionOpener({
    ...{ bus, nodeId: "gateway-1", boot: "b", heartbeatSeconds: 30, limits: {} as never },
    cluster: { isCutOff: false },
    placement: { judge: () => "here" } as never,
    users: { enter: () => ({}), leave: () => {} } as never,
    tokens: { verify: () => token as never },
    watch: { begin: () => {}, opened: () => {} },
  });
  for (const arrival of [1_000, 61_000]) {
    now = arrival;
    await opener.open(session, 1, { token: "t", deviceId: "d", platform: "web" });
  }
  expect(asked).toMatchObject([
    [expect.anything(), expect.anything(), { since: 1_000 }],
    [expect.anything(), expect.anything(), { since: 61_000 }],
  ]);
  expect(answers).toEqual([Command.ERROR, Command.ERROR]);
});
