/** A process that holds members of a group. They receive events and notices, and write nothing. */
import { encodeIntoCompressedBase64 } from "hdr-histogram-js";
import { serveCalls } from "../remote-process";
import { startTicks } from "../ticks";
import { type GroupPace, type MemberCounts, type MemberSpec, Members } from "./members";

export interface MemberCalls {
  open(argument: { conversationId: string; specs: MemberSpec[] }): Promise<void>;
  /** From this call on, the process reads sockets once a millisecond: a process that runs for every frame takes the servers' cores. */
  expect(argument: GroupPace): Promise<void>;
  measure(argument: { isMeasuring: boolean }): Promise<void>;
  progress(argument: { sent: number }): Promise<MemberCounts>;
  /** HdrHistograms, compressed, in base64. */
  times(argument?: undefined): Promise<{ shown: string; told: string }>;
}

let members = new Members("");

serveCalls<MemberCalls>({
  open: async ({ conversationId, specs }) => {
    members = new Members(conversationId);
    await members.open(specs);
  },
  expect: async (pace) => {
    members.expect(pace);
    startTicks(() => {});
  },
  measure: async ({ isMeasuring }) => members.measure(isMeasuring),
  progress: async ({ sent }) => members.progress(sent),
  times: async () => ({
    shown: encodeIntoCompressedBase64(members.times.shown),
    told: encodeIntoCompressedBase64(members.times.told),
  }),
});
