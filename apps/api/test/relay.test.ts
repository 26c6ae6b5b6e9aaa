import { relayGroups } from "../src/jobs/relay";
import type { ApiParts } from "../src/parts";

const ids = (count: number, prefix: string) =>
  Array.from({ length: count }, (_, i) => `${prefix}${String(i).padStart(3, "0")}`);

/** A context in which these conversations are owed an event, and these users have to leave their groups. */
function newContext(owed: string[], departures: string[], groupChanged: ApiParts["owners"]["groupChanged"]) {
  const departed: string[] = [];
  const page = (all: string[]) => async (limit: number, after: string) =>
    all.filter((id) => id > after).slice(0, limit);
  const owedPage = page(owed);
  const groups = {
    owed: (_: number, limit: number, after: string) => owedPage(limit, after),
    departures: page(departures),
    groupsOf: async (userId: string) => {
      if (userId.startsWith("stuck")) throw new Error("no answer");
      return [];
    },
    departed: async (userId: string) => void departed.push(userId),
  };
  const nobody = {
    relations: { peers: async () => [] },
    invitations: { deleteOf: async () => {} },
    requests: { ofUser: async () => [], deleteOf: async () => {} },
  };
  return {
    context: { ...nobody, groups, owners: { groupChanged }, clock: { now: () => 0 } } as unknown as ApiParts,
    departed,
  };
}

const signal = new AbortController().signal;

test("an owner that is away, and a user who cannot leave, hold up nobody else", async () => {
  const told: string[] = [];
  const dead = ids(130, "g:dead");
  const { context, departed } = newContext([...dead, "g:living"], [...ids(130, "stuck"), "then"], async (groupId) => {
    if (groupId.startsWith("dead")) throw new Error("nobody serves it");
    told.push(groupId);
  });
  await expect(relayGroups(context, signal)).rejects.toThrow("nobody serves it");
  expect(told).toEqual(["living"]);
  expect(departed).toEqual(["then"]);
});

test("stops between two pages", async () => {
  const stopping = new AbortController();
  let told = 0;
  const { context } = newContext(ids(50, "g:"), [], async () => {
    told++;
    stopping.abort();
  });
  await relayGroups(context, stopping.signal);
  expect(told).toBeLessThan(50);
});
