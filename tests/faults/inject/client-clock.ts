/** A client whose wall clock is an hour ahead, then one whose clock is an hour back; each is a process of its own. */
import { fork } from "node:child_process";
import path from "node:path";
import { uuidv7Time } from "@carillon/protocol";
import type { DeviceRecorder } from "@carillon/testkit";
import type { WrongClockAnswer, WrongClockOrder, WrongClockReport } from "../load/wrong-clock-process";
import type { Fault } from "./fault";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** @param moves how often clock-preload.cjs moves the clock: once, an hour ahead; twice, an hour back */
export function clientWithWrongClock(moves: 1 | 2): Fault {
  return {
    async strike({ load }, target) {
      const account = load.secondDevice(target);
      const shiftMs = moves === 1 ? HOUR_MS : -HOUR_MS;
      const report = await runProcess({ api: load.api, account, moves });
      const now = Date.now();
      const recorder = load.history.sender(`${account.userId}/${account.deviceId}, ${moves}`, account.userId);
      const { bySdk, raw } = report;
      record(recorder, account.conversationId, bySdk);
      // A message that is refused for good must not be stored.
      if (moves === 2) record(recorder, account.conversationId, raw);
      if (Math.abs(report.now - now - shiftMs) > MINUTE_MS) throw new Error("the clock of the client was not shifted");
      const astray = bySdk.find(({ clientMsgId }) => Math.abs(uuidv7Time(clientMsgId) - now) > MINUTE_MS);
      if (astray !== undefined) throw new Error(`the SDK dated ${astray.clientMsgId} by a wrong clock`);
      const wanted = moves === 1 ? "BAD_PAYLOAD" : undefined;
      const other = raw.find(({ refused }) => refused !== wanted);
      if (other !== undefined) throw new Error(`an id of a wrong clock was answered with ${JSON.stringify(other)}`);
      return { on: `a client of ${account.userId}, ${moves === 1 ? "ahead" : "back"}`, heal: async () => {} };
    },
  };
}

/** One message may have been answered more than once: the checker compares the numbers. */
function record(recorder: DeviceRecorder, conversationId: string, answers: WrongClockAnswer[]): void {
  const messages = new Map<string, ReturnType<DeviceRecorder["sent"]>>();
  for (const { clientMsgId, content, seq, messageId, refused } of answers) {
    const known = messages.get(clientMsgId);
    const message = known ?? recorder.sent({ conversationId, clientMsgId, content });
    if (known !== undefined) message.repeated = true;
    messages.set(clientMsgId, message);
    if (refused !== undefined) recorder.refused(message, refused);
    else recorder.answered(message, { seq: seq!, messageId: messageId! });
  }
}

function runProcess(order: WrongClockOrder): Promise<WrongClockReport> {
  const execArgv = ["--require", path.join(__dirname, "clock-preload.cjs"), "--import", require.resolve("tsx")];
  const child = fork(path.join(__dirname, "..", "load", "wrong-clock-process.ts"), [], { execArgv });
  child.send(order);
  return new Promise((resolve, reject) => {
    child.once("message", (report) => resolve(report as WrongClockReport));
    child.once("exit", (code) => reject(new Error(`a client with a wrong clock ended with ${code}`)));
  });
}
