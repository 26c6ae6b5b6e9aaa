/**
 * Broadcasts: a private message of one sender to many, or to everybody. A row says how far it has come, and one api goes
 * on with it from there. Each message has an id that follows from the broadcast and its recipient, so one that is sent
 * again after a crash is recognised by the owner of its conversation, and everybody gets it once.
 */
import { createHash } from "node:crypto";
import { randomId, uuidv7 } from "@carillon/base";
import {
  CarillonError,
  Command,
  type ContentType,
  type ErrorName,
  parseRequest,
  privateConversationId,
} from "@carillon/protocol";
import type { Broadcast } from "@carillon/store";
import type { ApiParts } from "../parts";

export const BROADCAST_EVERY_MS = 2_000;
/** Messages under way at the same time; also how many a crash makes the next one send again. */
const RECIPIENTS_AT_ONCE = 100;
const BROADCASTS_AT_ONCE = 20;
const ID_LENGTH = 16;

/** What may be otherwise a moment later; any other refusal is final for this recipient. */
const LATER: ReadonlySet<ErrorName> = new Set<ErrorName>(["BUSY", "RATE_LIMITED", "UNAVAILABLE"]);

export interface BroadcastWishes {
  broadcastId?: string;
  senderId: string;
  contentType: ContentType;
  content: string;
  userIds?: string[];
}

/**
 * Begins a broadcast; the same one again changes nothing.
 * @returns its id
 * @throws CarillonError BAD_PAYLOAD, NO_SUCH_USER (the sender), CONFLICT (another one has this id)
 */
export async function beginBroadcast(api: ApiParts, wishes: BroadcastWishes): Promise<string> {
  const { broadcasts, people, clock } = api;
  const { broadcastId = randomId(ID_LENGTH), senderId, contentType, content, userIds } = wishes;
  const createdAt = clock.now();
  const message = { clientMsgId: uuidv7(createdAt), to: `u:${senderId}`, contentType, content };
  const checked = parseRequest(Command.SEND, message);
  if ("error" in checked) throw new CarillonError(checked.error, checked.message);
  const sender = (await people.names([senderId])).get(senderId);
  if (sender === undefined || sender.isDeleted) throw new CarillonError("NO_SUCH_USER", "senderId: no such user");
  const created = await broadcasts.create({ broadcastId, senderId, contentType, content, userIds, createdAt });
  if (!created && !isSame(await broadcasts.find(broadcastId), wishes)) {
    throw new CarillonError("CONFLICT", "another broadcast has this id");
  }
  return broadcastId;
}

function isSame(there: Broadcast | undefined, { senderId, contentType, content, userIds }: BroadcastWishes): boolean {
  const wanted = userIds && [...new Set(userIds)].sort();
  return (
    there?.senderId === senderId &&
    there.contentType === contentType &&
    there.content === content &&
    wanted?.join() === there.userIds?.join()
  );
}

/**
 * Goes on with every broadcast that is not done.
 * @throws the first failure, when all that could be done is done: one broadcast holds up no other
 */
export async function carryOnBroadcasts(api: ApiParts, signal: AbortSignal): Promise<void> {
  const failures: unknown[] = [];
  let last: Broadcast | undefined;
  do {
    const open = await api.broadcasts.open(BROADCASTS_AT_ONCE, last);
    for (const broadcast of open) {
      if (!signal.aborted) await carryOn(api, broadcast, signal).catch((error) => failures.push(error));
    }
    last = open.length < BROADCASTS_AT_ONCE ? undefined : open.at(-1);
  } while (last !== undefined && !signal.aborted);
  if (failures.length > 0) throw failures[0];
}

/** Serves one part of the recipients after the other, until all are, or some have to be tried again later. */
async function carryOn(api: ApiParts, broadcast: Broadcast, signal: AbortSignal): Promise<void> {
  const { broadcasts, clock } = api;
  const { broadcastId } = broadcast;
  for (let { after } = broadcast; !signal.aborted; ) {
    const recipients = await broadcasts.recipients(broadcast, after, RECIPIENTS_AT_ONCE);
    const to = recipients.at(-1);
    if (to === undefined) return broadcasts.finish(broadcastId, clock.now());
    const outcomes = await Promise.all(recipients.map((userId) => sendTo(api, broadcast, userId)));
    if (outcomes.includes("later")) return;
    const sent = outcomes.filter((outcome) => outcome === "sent").length;
    const step = { from: after, to, sent, refused: outcomes.length - sent };
    // Another api is at it: it has done the same.
    if (!(await broadcasts.advance(broadcastId, step))) return;
    after = to;
  }
}

async function sendTo(
  { messages }: ApiParts,
  { broadcastId, createdAt, senderId, contentType, content }: Broadcast,
  userId: string,
): Promise<"sent" | "refused" | "later"> {
  const clientMsgId = uuidv7(createdAt, createHash("sha256").update(`${broadcastId} ${userId}`).digest());
  const conversationId = privateConversationId(senderId, userId);
  try {
    await messages.send({ senderId, clientMsgId, conversationId, contentType, content });
    return "sent";
  } catch (error) {
    if (!(error instanceof CarillonError)) throw error;
    return LATER.has(error.name as ErrorName) ? "later" : "refused";
  }
}
