import type { Bus, GroupRoster } from "@carillon/bus";
import { Command, decodeFrames, decodePayload } from "@carillon/protocol";
import { inParts } from "../src/groups/group-owner";
import { LargeGroup } from "../src/groups/large-group";
import type { Session } from "../src/session/session";
import type { UserEntry } from "../src/session/user-registry";

/** A group that alice's gateway follows, and the answers of the group's owners in order. */
function setUp(...answers: GroupRoster[]) {
  const told: number[] = [];
  const connection = {
    send(bytes: Uint8Array) {
      const { command, payload } = decodeFrames(bytes).frames[0]!;
      if (command === Command.NOTIFY) told.push(decodePayload(payload)["lastSeq"] as number);
    },
  };
  const session = { isOpen: true, identity: { userId: "alice" }, connection } as unknown as Session;
  const users = new Map([["alice", { sessions: new Set([session]) }]]);
  const listening = { conversationId: "g:choir", listen: async () => () => {} };
  const group = (onDone: (how: string) => void) =>
    new LargeGroup({
      owner: {
        ...listening,
        roster: async () => {
          const answer = answers.shift()!;
          if (answers.length === 0) setImmediate(() => onDone("answered"));
          return answer;
        },
      },
      users: { user: (userId) => users.get(userId) as UserEntry | undefined },
      bus: {
        clock: { now: () => 0, monotonic: () => 0 },
        logger: { debug: ({ err }: { err: Error }) => onDone(err.message) } as unknown as Bus["logger"],
      },
      onEnd: () => onDone("ended"),
    });
  const requestRoster = (seq: number) => new Promise<string>((resolve) => group(resolve).requestRoster(["alice"], seq));
  return { requestRoster, told };
}

const small: GroupRoster = { isLarge: false, lastSeq: 4, members: [] };
const large: GroupRoster = { isLarge: true, lastSeq: 30, members: [["alice", 5]] };

test("an owner whose answer is older than an event is asked again: its claim that the group is small does not count", async () => {
  const { requestRoster, told } = setUp(small, large);
  expect(await requestRoster(5)).toBe("answered");
  expect(told).toEqual([30]);
});

test("the gateway ceases to follow a group that its owner calls small", async () => {
  const { requestRoster, told } = setUp(small, large);
  expect(await requestRoster(4)).toBe("ended");
  expect(told).toEqual([]);
});

test("a roster of many users is asked for in parts, and counts from the earliest number of the parts", async () => {
  const users = Array.from({ length: 20_000 }, (_, i) => `u${i}`);
  const sizes: number[] = [];
  const roster = await inParts(users, async (some) => {
    sizes.push(some.length);
    return { isLarge: true, lastSeq: 9 + sizes.length, members: some.map((userId): [string, number] => [userId, 1]) };
  });
  expect(Math.max(...sizes)).toBeLessThanOrEqual(8_000);
  expect(roster.lastSeq).toBe(10);
  expect(roster.members.map(([userId]) => userId)).toEqual(users);
});
