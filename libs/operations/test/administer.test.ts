/** Who of many comes into a group, or goes, when operators say so. */
import type { GroupMember, LockedGroup } from "@carillon/store";
import { sortAdded, sortRemoved } from "../src/groups/administer";

const member = (userId: string, role: GroupMember["role"], isPresent = true): GroupMember => {
  return { userId, role, mutedUntil: 0, isPresent };
};
const members = [
  member("olga", "owner"),
  member("ada", "admin"),
  { ...member("out", "member", false), bannedBy: "ada" },
];

const locked = (dissolved = false): LockedGroup => ({
  group: { memberCount: 2, dissolved } as LockedGroup["group"],
  member: (id) => members.find(({ userId }) => userId === id),
});

test("those come who were not in it, also who was removed, each once", () => {
  expect([...sortAdded(locked(), ["ada", "new", "out", "new"], 9)]).toEqual([
    ["ada", "member"],
    ["new", "joined"],
    ["out", "joined"],
  ]);
});

test("they come in their order as long as there is room; who is in it needs none", () => {
  expect([...sortAdded(locked(), ["a", "b", "ada", "c"], 4)]).toEqual([
    ["a", "joined"],
    ["b", "joined"],
    ["ada", "member"],
    ["c", "full"],
  ]);
});

test("those go who are in it, but not the owner", () => {
  expect([...sortRemoved(locked(), ["olga", "ada", "out", "new", "ada"])]).toEqual([
    ["olga", "owner"],
    ["ada", "removed"],
    ["out", "absent"],
    ["new", "absent"],
  ]);
});

test("nobody comes into a group that is dissolved, or goes", () => {
  expect(() => sortAdded(locked(true), ["new"], 9)).toThrow("dissolved");
  expect(() => sortRemoved(locked(true), ["ada"])).toThrow("dissolved");
});
