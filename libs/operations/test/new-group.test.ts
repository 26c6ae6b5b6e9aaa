import { digestOfWishes, type GroupWishes } from "../src/groups/new-group";

const wishes: GroupWishes = { groupId: "choir", name: "Choir", joinPolicy: "open", members: ["bob", "carl"] };
const digest = digestOfWishes("alice", wishes);

test.each<[string, Partial<GroupWishes>]>([
  ["in another order", { members: ["carl", "bob"] }],
  ["with somebody twice", { members: ["bob", "carl", "bob"] }],
  ["with the owner among them", { members: ["alice", "bob", "carl"] }],
])("the same members %s are the same request", (_, change) => {
  expect(digestOfWishes("alice", { ...wishes, ...change })).toBe(digest);
});

test.each<[string, Partial<GroupWishes>]>([
  ["another name", { name: "choir" }],
  ["another join policy", { joinPolicy: "invite" }],
  ["one more", { members: ["bob", "carl", "dora"] }],
  ["nobody", { members: [] }],
])("%s makes another request", (_, change) => {
  expect(digestOfWishes("alice", { ...wishes, ...change })).not.toBe(digest);
});

test("another owner makes another request", () => {
  expect(digestOfWishes("bob", { ...wishes, members: ["alice", "carl"] })).not.toBe(digest);
});
