/** Who may change what in a group, and what it does. */
import type { CarillonError } from "@carillon/protocol";
import type { Group, GroupMember, LockedGroup } from "@carillon/store";
import * as rules from "../src/groups/rules";

const base: Group = {
  groupId: "choir",
  name: "choir",
  notice: undefined,
  ownerId: "olga",
  joinPolicy: "invite",
  muted: false,
  memberCount: 4,
  version: 1,
  createdAt: 0,
  dissolved: false,
  fanOut: "write",
};

const member = (userId: string, role: GroupMember["role"], isPresent = true): GroupMember => ({
  userId,
  role,
  mutedUntil: 0,
  isPresent,
});
const members = [
  member("olga", "owner"),
  member("ada", "admin"),
  member("abe", "admin"),
  member("max", "member"),
  member("gus", "member", false),
  { ...member("out", "member", false), bannedBy: "ada" },
];

function locked(changes: Partial<Group> = {}): LockedGroup {
  return { group: { ...base, ...changes }, member: (id) => members.find(({ userId }) => userId === id) };
}

/** The event that a rule makes, "nothing", or why it refuses. */
function outcome(rule: rules.Rule, group: Partial<Group> = {}): unknown {
  try {
    return rule(locked(group))?.content ?? "nothing";
  } catch (error) {
    return (error as CarillonError).name;
  }
}

const joined = (userId: string) => ({ type: "joined", userIds: [userId] });
const open = { joinPolicy: "open" as const };

test.each<[string, rules.Rule, Partial<Group>, unknown]>([
  ["anybody joins an open group", rules.joinOpen("new", 9), open, joined("new")],
  ["a former member comes back", rules.joinOpen("gus", 9), open, joined("gus")],
  ["who is in an open group is in it", rules.joinOpen("max", 9), open, "nothing"],
  ["an outsider does not learn who is in a group", rules.addMember("new", "max", 9), open, "NOT_A_MEMBER"],
  ["who is invited comes", rules.acceptInvitation("new", "ada", 9), {}, joined("new")],
  ["not by one who may not invite any more", rules.acceptInvitation("new", "max", 9), {}, "NOT_FOUND"],
  ["nor by one who has left", rules.acceptInvitation("new", "gus", 9), open, "NOT_FOUND"],
  ["nor into what is dissolved", rules.acceptInvitation("new", "ada", 9), { dissolved: true }, "NOT_FOUND"],
  ["nor into what is full", rules.acceptInvitation("new", "ada", 4), {}, "FORBIDDEN"],
  ["a member brings another into an open group", rules.addMember("max", "new", 9), open, joined("new")],
  ["a stranger brings nobody", rules.addMember("new", "newer", 9), open, "NOT_A_MEMBER"],
  ["a stranger does not invite themselves", rules.joinOpen("new", 9), {}, "NOT_FOUND"],
  ["nor where admins let in", rules.joinOpen("new", 9), { joinPolicy: "approval" }, "FORBIDDEN"],
  ["a member does not invite", rules.addMember("max", "new", 9), {}, "FORBIDDEN"],
  ["an admin invites", rules.addMember("ada", "new", 9), {}, joined("new")],
  ["who is in is in", rules.addMember("ada", "max", 9), {}, "nothing"],
  ["whom an admin has removed does not come back by themselves", rules.joinOpen("out", 9), open, "BANNED"],
  ["nor hears of a group that they cannot come into", rules.joinOpen("out", 9), {}, "NOT_FOUND"],
  ["nor by another member", rules.addMember("max", "out", 9), open, "BANNED"],
  ["an admin brings them back", rules.addMember("ada", "out", 9), open, joined("out")],
  ["an admin lets them in if they asked before", rules.acceptRequest("ada", "out", 9), open, joined("out")],
  ["invited by an admin they come", rules.acceptInvitation("out", "ada", 9), open, joined("out")],
  ["not by a member", rules.acceptInvitation("out", "max", 9), open, "NOT_FOUND"],
  ["a full group is full", rules.addMember("ada", "new", 4), {}, "FORBIDDEN"],
  ["nobody joins what is dissolved", rules.joinOpen("new", 9), { ...open, dissolved: true }, "NOT_FOUND"],
  ["and its members are told why", rules.addMember("ada", "new", 9), { dissolved: true }, "GROUP_DISSOLVED"],
  ["an admin lets in who asked", rules.acceptRequest("ada", "new", 9), {}, joined("new")],
  ["a member does not", rules.acceptRequest("max", "new", 9), {}, "FORBIDDEN"],
  ["a member leaves", rules.removeMember("max", "max"), {}, { type: "left" }],
  ["the owner does not", rules.removeMember("olga", "olga"), {}, "CONFLICT"],
  ["who has left has left", rules.removeMember("gus", "gus"), {}, "nothing"],
  ["a stranger cannot even leave", rules.removeMember("new", "new"), {}, "NOT_A_MEMBER"],
  ["an admin removes a member", rules.removeMember("ada", "max"), {}, { type: "removed", userIds: ["max"] }],
  ["not another admin", rules.removeMember("ada", "abe"), {}, "FORBIDDEN"],
  ["and never the owner", rules.removeMember("ada", "olga"), {}, "FORBIDDEN"],
  ["the owner removes an admin", rules.removeMember("olga", "abe"), {}, { type: "removed", userIds: ["abe"] }],
  ["a member removes nobody", rules.removeMember("max", "ada"), {}, "FORBIDDEN"],
  ["only the owner gives roles", rules.changeMember("ada", "max", { role: "admin" }, 4), {}, "FORBIDDEN"],
  [
    "the owner does",
    rules.changeMember("olga", "max", { role: "admin" }, 4),
    {},
    { type: "role", userId: "max", role: "admin" },
  ],
  ["the same role is nothing", rules.changeMember("olga", "ada", { role: "admin" }, 4), {}, "nothing"],
  [
    "an admin mutes a member",
    rules.changeMember("ada", "max", { mutedUntil: 5 }, 4),
    {},
    { type: "member-muted", userId: "max", until: 5 },
  ],
  ["a time that is over mutes nobody", rules.changeMember("ada", "max", { mutedUntil: 4 }, 4), {}, "BAD_PAYLOAD"],
  ["who has left is muted by nobody", rules.changeMember("ada", "gus", { mutedUntil: 5 }, 4), {}, "NOT_FOUND"],
  ["the owner transfers", rules.transfer("olga", "max"), {}, { type: "transferred", userId: "max" }],
  ["to members only", rules.transfer("olga", "gus"), {}, "NOT_FOUND"],
  ["an admin does not", rules.transfer("ada", "ada"), {}, "FORBIDDEN"],
  ["twice is once", rules.transfer("ada", "olga"), {}, "nothing"],
  ["only news are news", rules.changeProfile("ada", { name: "choir" }), {}, "nothing"],
  [
    "an admin names",
    rules.changeProfile("ada", { name: "band", notice: "hi" }),
    {},
    { type: "profile", name: "band", notice: "hi" },
  ],
  ["a member does not", rules.changeProfile("max", { name: "band" }), {}, "FORBIDDEN"],
  ["an admin mutes all", rules.muteAll("ada", true), {}, { type: "muted", muted: true }],
  ["only the owner dissolves", rules.dissolve("ada", 1), {}, "FORBIDDEN"],
  ["the owner does", rules.dissolve("olga", 1), {}, { type: "dissolved" }],
  ["twice is once", rules.dissolve("olga", 1), { dissolved: true }, "nothing"],
])("%s", (_, rule, group, expected) => {
  expect(outcome(rule, group)).toEqual(expected);
});
