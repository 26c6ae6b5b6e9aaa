/** A group of the load: members who write all the time, and a visitor who joins and leaves. */
import { groupConversationId } from "@carillon/protocol";
import { until } from "@carillon/testkit";
import type { Account } from "./load-device";
import type { Device } from "./people";

const CALL_MS = 10_000;
const PATIENCE_MS = 60_000;

export interface GroupChat {
  conversationId: string;
  members: Account[];
  /** The visitor belongs to the group only after a member has added them. */
  visitor: Account;
  fill(): Promise<void>;
  /** Adds or removes the visitor; resolves when the api has confirmed it. */
  change(how: "let in" | "show out"): Promise<void>;
}

/**
 * Creates a group for these accounts, of which the last one is the visitor; its owner writes nothing. The members write into it
 * from now on. `fill` adds them when they are connected, since a device gets no events from before its user's join.
 */
export async function makeGroup(api: string, owner: Device, accounts: Account[]): Promise<GroupChat> {
  const members = accounts.slice(0, -1);
  const body = { name: "load", joinPolicy: "invite" };
  const made = await call(api, owner, "POST", "/v1/groups", body);
  if (made.status !== 201)
    throw new Error(`the group could not be created: ${made.status} ${JSON.stringify(made.body)}`);
  const { groupId } = made.body as { groupId: string };
  const conversationId = groupConversationId(groupId);
  const place = (account: Account): Account => ({ ...account, conversationId, to: `g:${groupId}` });
  const visitor = place(accounts.at(-1)!);
  return {
    conversationId,
    members: members.map(place),
    visitor,
    fill: async () => {
      for (const { userId } of members) {
        const answer = await call(api, owner, "POST", `/v1/groups/${groupId}/members`, { userId });
        if (answer.status !== 201)
          throw new Error(`members could not be added to the group: ${JSON.stringify(answer.body)}`);
      }
    },
    change: async (how) => {
      const path = `/v1/groups/${groupId}/members`;
      const ask = () =>
        how === "let in"
          ? call(api, owner, "POST", path, { userId: visitor.userId })
          : call(api, owner, "DELETE", `${path}/${visitor.userId}`);
      // The api died, or the owner did not answer: a repeated request changes nothing twice.
      await until(`the visitor is ${how}`, async () => (await ask()).status < 300, PATIENCE_MS);
    },
  };
}

async function call(api: string, { token }: Device, method: string, path: string, body?: object) {
  try {
    const answer = await fetch(`${api}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { "content-type": "application/json" }) },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(CALL_MS),
    });
    const text = await answer.text();
    return { status: answer.status, body: text === "" ? {} : (JSON.parse(text) as object) };
  } catch (error) {
    return { status: 599, body: { message: (error as Error).message } };
  }
}
