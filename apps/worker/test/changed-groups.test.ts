import { ChangedGroups } from "../src/partition/changed-groups";

test("all groups about which all is known are taken together, each once", async () => {
  let woken = 0;
  const changed = new ChangedGroups(
    async (groupId) => `facts of ${groupId}`,
    () => woken++,
  );
  const told = ["choir", "band"].map((groupId) => changed.record(groupId));
  await new Promise((resolve) => setImmediate(resolve));
  expect([changed.hasReady, woken]).toEqual([true, 2]);
  const taken = changed.takeReady();
  expect(taken.map(({ groupId, facts }) => `${groupId}: ${facts}`)).toEqual([
    "choir: facts of choir",
    "band: facts of band",
  ]);
  expect([changed.hasReady, changed.takeReady()]).toEqual([false, []]);
  for (const { resolve } of taken) resolve();
  await Promise.all(told);
});

test("when the partition is given up, those that waited are handed back and nobody waits in vain", async () => {
  const changed = new ChangedGroups(
    async () => "facts",
    () => {},
  );
  const waiting = changed.record("choir");
  await new Promise((resolve) => setImmediate(resolve));
  for (const { reject } of changed.close()) reject(new Error("given up"));
  await expect(waiting).rejects.toThrow("given up");
  await expect(changed.record("band")).rejects.toThrow("the partition was given up");
});
