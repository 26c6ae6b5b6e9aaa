import { TimerWheel } from "@carillon/base";
import type { Verdict } from "@carillon/base/node";
import { CloseCode } from "@carillon/protocol";
import type { Session } from "../src/session/session";
import type { SessionState } from "../src/session/session-state";
import { SessionWatch } from "../src/session/session-watch";

const LOGIN_MS = 5_000;
const SILENCE_MS = 75_000;
const GRACE_MS = 60_000;
const TOKEN_EXPIRES_AT = 1_000_000;

/** A watch over one session, on a simulated clock. */
function newWatch(verdict: Verdict = "invalid") {
  let now = 0;
  const wheel = new TimerWheel(100, 512, () => now);
  const watch = new SessionWatch({
    wheel,
    loginMs: LOGIN_MS,
    silenceMs: SILENCE_MS,
    tokenGraceMs: GRACE_MS,
    clock: { monotonic: () => now },
    wallClock: { now: () => now },
    tokens: { verify: () => verdict },
  });
  const closed: number[] = [];
  const refused: string[] = [];
  const session = {
    state: { phase: "new" } as SessionState,
    lastFrameAt: 0,
    deadline: { due: -1, expire: () => watch.check(session as unknown as Session) },
    refuse: (_: number, name: string) => refused.push(name),
    replyError: (_: number, { name }: Error) => refused.push(name),
    kick: (code: number) => closed.push(code),
  };
  const pass = (ms: number) => {
    for (const end = now + ms; now < end; ) {
      now += 100;
      wheel.advance();
    }
  };
  return { watch, session, closed, refused, pass, of: session as unknown as Session };
}

const identity = { userId: "alice", deviceId: "phone", platform: "ios" };
const open: SessionState = { phase: "open", identity, tokenExpiresAt: TOKEN_EXPIRES_AT };

test.each<[Verdict, string]>([
  ["unavailable", "BUSY"],
  ["expired", "TOKEN_EXPIRED"],
  ["invalid", "NOT_AUTHENTICATED"],
  [{ userId: "bob", deviceId: "phone", platform: "ios", expiresAt: 2 * TOKEN_EXPIRES_AT }, "NOT_AUTHENTICATED"],
])("a new token that is %j is answered with %s, and the session stays as it was", (verdict, name) => {
  const { watch, session, closed, refused, of } = newWatch(verdict);
  session.state = open;
  watch.renewToken(of, 1, "a token");
  expect([refused, closed, session.state]).toEqual([[name], [], open]);
});

test("a connection without CONNECT is closed after its time to log in", () => {
  const { watch, closed, pass, of } = newWatch();
  watch.begin(of);
  pass(LOGIN_MS - 200);
  expect(closed).toEqual([]);
  pass(400);
  expect(closed).toEqual([CloseCode.NOT_AUTHENTICATED]);
});

test("a client whose CONNECT is being answered is not closed, however long that takes", () => {
  const { watch, session, closed, pass, of } = newWatch();
  watch.begin(of);
  session.state = { phase: "opening", identity, held: [] };
  pass(4 * LOGIN_MS);
  expect(closed).toEqual([]);
  // After BUSY, the client has its time again.
  session.state = { phase: "new" };
  watch.begin(of);
  pass(LOGIN_MS + 200);
  expect(closed).toEqual([CloseCode.NOT_AUTHENTICATED]);
});

test("an open session is closed after its time of silence, and when the grace time after its token is over", () => {
  const silent = newWatch();
  silent.session.state = open;
  silent.watch.opened(silent.of);
  silent.pass(SILENCE_MS + 200);
  expect(silent.closed).toEqual([CloseCode.HEARTBEAT_LOST]);

  const { watch, session, closed, pass, of } = newWatch();
  session.state = open;
  watch.opened(of);
  for (let at = 0; at < TOKEN_EXPIRES_AT + GRACE_MS - 1_000; at += 10_000) {
    expect(closed).toEqual([]);
    session.lastFrameAt = at;
    pass(10_000);
  }
  pass(1_200);
  expect(closed[0]).toBe(CloseCode.TOKEN_EXPIRED);
});
