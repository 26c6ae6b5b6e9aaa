/**
 * A page that uses the SDK as an app does, under names that a test can call: `carillon.open(...)` and others. Each page has one
 * client.
 */
import type { Event, Recipient } from "@carillon/client";
import { CarillonClient, type ClientOptions, type ClientState, openIndexedDbStorage } from "@carillon/client/browser";
import { type View, viewOf } from "@carillon/client/view";

interface Opening {
  api: string;
  userId: string;
  password?: string;
  /** Name of the database; left out: the page stores nothing. */
  database?: string;
  deviceId?: string;
  /** How long the tokens live that the page is given by its "back end", seconds; they are all the same token. */
  token?: { accessToken: string; expiresIn: number };
  /** The listener rejects the first time that it hears this content. */
  failsAt?: string;
}

let client: CarillonClient;
let view: View;
const told: { messages: string[]; errors: string[]; states: string[]; tokensAsked: number } = {
  ...{ messages: [], errors: [], states: [], tokensAsked: 0 },
};

async function open(opening: Opening): Promise<string> {
  const { api, userId, password, database, deviceId = "page", token, failsAt } = opening;
  const storage = database === undefined ? undefined : await openIndexedDbStorage(database).catch(() => undefined);
  const credentials = { userId, ...(password !== undefined && { password }) };
  const source = async () => {
    told.tokensAsked++;
    return token as NonNullable<Opening["token"]>;
  };
  const who = token === undefined ? { credentials } : { token: source };
  client = new CarillonClient({
    ...{ api, deviceId, platform: "web", ...who },
    ...(storage !== undefined && { storage }),
  } as ClientOptions<"ws">);
  client.on("state", ({ name }) => void told.states.push(name));
  client.on("error", (error) => void told.errors.push(`${error.name}: ${error.message}`));
  client.on("message", (event) => hear(event, failsAt));
  view = viewOf(client);
  client.connect().catch(() => {});
  await view.restored;
  return storage === undefined ? "memory" : "stored";
}

async function hear({ content = "" }: Event, failsAt: string | undefined): Promise<void> {
  const isFirst = !told.messages.includes(`refused ${content}`);
  if (content === failsAt && isFirst) {
    told.messages.push(`refused ${content}`);
    throw new Error("the page cannot take it now");
  }
  told.messages.push(content);
}

const page = {
  open,
  told: () => told,
  state: (): { name: string; error?: string } => {
    const state: ClientState = client.state;
    return { name: state.name, ...("error" in state && { error: state.error?.name ?? "" }) };
  },
  /** Content and status of the messages that a screen shows of a conversation. */
  shows: (conversationId: string) =>
    view.messages(conversationId).items.map(({ content, status }) => `${content ?? "-"} ${status}`),
  listed: () => view.conversations.map(({ conversationId, unread }) => `${conversationId} ${unread}`),
  /** Sends a message without waiting for its answer. */
  send: (to: string, content: string) => void client.send(to as Recipient, content).catch(() => {}),
  sent: async (to: string, content: string) => (await client.send(to as Recipient, content)).seq,
  /** Loads all pages of a conversation. @returns the number of shown messages then */
  loadAll: async (conversationId: string): Promise<number> => {
    view.subscribe(`messages/${conversationId}`, () => {});
    view.messages(conversationId);
    for (let isMore = true; isMore; ) isMore = await view.loadOlder(conversationId).catch(() => true);
    return view.messages(conversationId).items.length;
  },
  logOut: () => client.logOut(),
  takeOver: () => client.takeOver(),
  close: () => client.close(),
};

export type Page = typeof page;

(globalThis as unknown as { carillon: Page }).carillon = page;
