/** One run: it executes the operations at a cluster and in the model, and both must give the same results. */
import type { TestCluster } from "@carillon/testkit";
import type { Conversation, Row } from "./conversation";
import { Model } from "./model";
import { DEVICES, type Operation, PEOPLE } from "./operations";
import { People } from "./people";

/** Time within which all devices must have all events, ms. */
const PATIENCE_MS = 20_000;
const LOOK_AGAIN_MS = 20;

export interface Place {
  cluster: TestCluster;
  /** API key that may create users and tokens. */
  key: string;
  /** Returns a process that has died. The cluster continues without it, so no other check would notice. */
  whatDied(): string | undefined;
}

/** @returns the first difference from the model, or undefined */
export async function runOperations(place: Place, operations: Operation[]): Promise<string | undefined> {
  const { cluster, key } = place;
  const model = new Model();
  const people = await People.come(cluster, key);
  try {
    for (const [index, operation] of operations.entries()) {
      people.lastSeqOf = (conversationId) => lastSeq(model, people, conversationId);
      const told = await people.perform(operation);
      const expected = model.apply(operation);
      if (told !== expected) return `step ${index}, ${JSON.stringify(operation)}: told ${told}, not ${expected}`;
    }
    await people.comeBack();
    const different =
      (await compareViews(model, people)) ?? (await compareRows(model, people)) ?? (await compareLists(model, people));
    const died = place.whatDied();
    return different ?? (died && `${died} has died`);
  } finally {
    await people.go();
  }
}

function lastSeq(model: Model, people: People, conversationId: string): number {
  for (const [group, { conversation }] of model.groups) {
    if (people.groupChatId(group) === conversationId) return conversation.lastSeq;
  }
  for (const [who, whom] of pairs()) {
    if (people.chatId(who, whom) === conversationId) return model.chat(who, whom).lastSeq;
  }
  throw new Error(`no such conversation: ${conversationId}`);
}

/** Checks the view of each person in each conversation. */
function expectedViews(
  model: Model,
  people: People,
): { who: number; peer?: number; conversationId: string; conversation: Conversation }[] {
  const chats = pairs().flatMap(([who, whom]) =>
    [who, whom].map((one) => {
      const place = { conversationId: people.chatId(who, whom), conversation: model.chat(who, whom) };
      return { who: one, peer: one === who ? whom : who, ...place };
    }),
  );
  const groups = [...model.groups].flatMap(([group, { conversation }]) =>
    everybody().map((who) => ({ who, conversationId: people.groupChatId(group), conversation })),
  );
  return [...chats, ...groups];
}

async function compareViews(model: Model, people: People): Promise<string | undefined> {
  const views = expectedViews(model, people);
  const deadline = performance.now() + PATIENCE_MS;
  for (const { who, conversationId, conversation } of views) {
    const lines = conversation.viewOf(who);
    for (let device = 0; device < DEVICES; device++) {
      const seen = () => people.viewOf(who, device, conversationId);
      while (!conversation.isViewOf(who, seen()) && performance.now() < deadline) await pause();
      if (!conversation.isViewOf(who, seen())) {
        return difference(`device ${device} of ${who}`, conversationId, seen().join("\n"), lines);
      }
    }
    const history = await people.historyOf(who, conversationId);
    const expected = lines.length > 0 ? conversation.historyOf(who) : ["NO_SUCH_CONVERSATION"];
    if (history.join("\n") !== expected.join("\n")) {
      return difference(`history for ${who}`, conversationId, history.join("\n"), expected);
    }
  }
  const known = new Set(
    views
      .filter(({ who, conversation }) => conversation.viewOf(who).length > 0)
      .map((view) => `${view.who} ${view.conversationId}`),
  );
  for (const who of everybody()) {
    const stranger = people.conversationsOf(who).find((conversationId) => !known.has(`${who} ${conversationId}`));
    if (stranger !== undefined) return `${who} was shown something of ${stranger}, where they are no member`;
  }
  return undefined;
}

/** Checks each person's list of conversations, by the server and on each device: order, unread counts, the peer's marks. */
async function compareRows(model: Model, people: People): Promise<string | undefined> {
  const views = expectedViews(model, people);
  const deadline = performance.now() + PATIENCE_MS;
  for (const who of everybody()) {
    const own = views.filter((view) => view.who === who);
    const starts = new Map(own.map(({ conversationId, conversation }) => [conversationId, conversation.startOf(who)]));
    const expected = own
      .flatMap(({ peer, conversationId, conversation }) => {
        const row = conversation.rowOf(who, peer);
        return row === undefined ? [] : [lineOfRow(conversationId, row, 0)];
      })
      .sort();
    const devices = Array.from({ length: DEVICES }, (_, device) => () => people.localRowsOf(who, device));
    for (const [index, rows] of [() => people.rowsOf(who), ...devices].entries()) {
      while (true) {
        const told = [...(await rows())].map(([id, row]) => lineOfRow(id, row, starts.get(id) ?? 0)).sort();
        if (told.join("\n") === expected.join("\n")) break;
        const where = index === 0 ? `list of ${who}` : `view of device ${index - 1} of ${who}`;
        if (performance.now() >= deadline) return difference(where, "all", told.join("\n"), expected);
        await pause();
      }
    }
  }
  return undefined;
}

/** @param from first number of the stay: a mark below it may come from an earlier stay, and is not judged */
function lineOfRow(conversationId: string, row: Row, from: number): string {
  const { lastSeq, readSeq, unread, pinned, muted, peerReadSeq, peerDeliveredSeq } = row;
  const marks = `last ${lastSeq} read ${readSeq < from ? 0 : readSeq} unread ${unread} peer ${peerReadSeq} ${peerDeliveredSeq}`;
  return `${conversationId} ${marks}${pinned ? " pinned" : ""}${muted ? " muted" : ""}`;
}

async function compareLists(model: Model, people: People): Promise<string | undefined> {
  for (const who of everybody()) {
    for (const [list, standing] of [
      ["friends", "friend"],
      ["blocks", "blocked"],
    ] as const) {
      const told = (await people.listed(who, list)).join();
      const expected = everybody().filter((whom) => model.friends.get(who, whom) === standing);
      if (told !== expected.join()) return `${list} of ${who}: ${told}, not ${expected.join()}`;
    }
  }
  for (const [number, { members }] of model.groups) {
    const [anybody] = members.keys();
    const told = (await people.membersOf(anybody!, number)).join();
    const expected = [...members]
      .map(([who, { role }]) => `${who} ${role}`)
      .sort()
      .join();
    if (told !== expected) return `members of group ${number}: ${told}, not ${expected}`;
  }
  return undefined;
}

function difference(where: string, conversationId: string, seen: string, expected: string[]): string {
  return `${where}, ${conversationId}:\n${seen}\n  but should be\n${expected.join("\n")}`;
}

const everybody = () => Array.from({ length: PEOPLE }, (_, who) => who);

function pairs(): [number, number][] {
  return everybody().flatMap((who) =>
    everybody()
      .filter((whom) => whom > who)
      .map((whom): [number, number] => [who, whom]),
  );
}

const pause = () => new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
