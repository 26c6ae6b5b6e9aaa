/**
 * Broadcasts: a private message of one sender to many users, or to all. A row holds the progress, and one api continues from
 * there. The id of each message follows from the broadcast and its recipient. So the owner of the conversation recognises a
 * message that is sent again after a crash, and every recipient gets it once.
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

/** Errors that may not occur a moment later; any other refusal is final for this recipient. */
const LATER: ReadonlySet<ErrorName> = new Set<ErrorName>(["BUSY", "RATE_LIMITED", "UNAVAILABLE"]);

export interface BroadcastOrder {
  broadcastId?: string;
  senderId: string;
  contentType: ContentType;
  content: string;
  userIds?: string[];
}

/**
 * Begins a broadcast; the same request again changes nothing.
 * @returns its id
 * @throws CarillonError BAD_PAYLOAD, NO_SUCH_USER (the sender), CONFLICT (another broadcast has this id)
 */
export async function beginBroadcast(api: ApiParts, order: BroadcastOrder): Promise<string> {
  const { broadcasts, people, clock } = api;
  const { broadcastId = randomId(ID_LENGTH), senderId, contentType, content, userIds } = order;
  const createdAt = clock.now();
  const message = { clientMsgId: uuidv7(createdAt), to: `u:${senderId}`, contentType, content };
  const checked = parseRequest(Command.SEND, message);
  if ("error" in checked) throw new CarillonError(checked.error, checked.message);
  const sender = (await people.names([senderId])).get(senderId);
  if (sender === undefined || sender.isDeleted) throw new CarillonError("NO_SUCH_USER", "senderId: no such user");
  const created = await broadcasts.create({ broadcastId, senderId, contentType, content, userIds, createdAt });
  if (!created && !isSame(await broadcasts.find(broadcastId), order)) {
    throw new CarillonError("CONFLICT", "another broadcast has this id");
  }
  return broadcastId;
}

function isSame(there: Broadcast | undefined, { senderId, contentType, content, userIds }: BroadcastOrder): boolean {
  const wanted = userIds && [...new Set(userIds)].sort();
  return (
    there?.senderId === senderId &&
    there.contentType === contentType &&
    there.content === content &&
    wanted?.join() === there.userIds?.join()
  );
}

/**
 * Continues every broadcast that is not done.
 * @throws the first failure, after all other broadcasts were continued
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

/** Serves one part of the recipients after the other, until all are served, or some have to be tried again later. */
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
    // Another api works on this broadcast: it has done the same.
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
