/**
 * Reads a server's message in a client. If the client cannot read one entry of a list (it is of a newer server, or should never
 * have been stored), the entry is left out and named, and the rest of the frame counts. If the client refused the whole frame,
 * nothing would arrive any more, because the server repeats the frame until it is acknowledged.
 */
import { type Fields, isIntegerBetween, isMap } from "../checks";
import { Command } from "../generated/commands";
import type { ServerMessage } from "../generated/payloads";
import { isConversationId } from "../ids";
import { type MessageFault, parseServerMessage, readFields } from "../messages";
import { mapFault, type ShapeName } from "./shapes";

/** An entry that was left out. */
export interface Unreadable {
  /** The list that contained the entry. */
  list: string;
  /** The fault of the entry. */
  why: string;
  /** The conversationId, userId or groupId of the entry, if it is readable. */
  id?: string;
  /** The number of an event in its conversation, if it is readable. */
  seq?: number;
  /** The number of a delivered event in the inbox. */
  inboxSeq?: number;
}

/** A payload and the entries that were left out of it; `unreadable` is absent if there are none. */
export type Lenient<Payload> = Payload & { unreadable?: readonly Unreadable[] };

interface List {
  name: string;
  entry: ShapeName;
  /** The key that contains the id of an entry. */
  id: string;
}

const EVENTS: List = { name: "events", entry: "event", id: "conversationId" };
const LISTS = new Map<number, readonly List[]>([
  [Command.PULLED, [EVENTS]],
  [
    Command.SYNCED,
    [
      { name: "relations", entry: "relationRow", id: "userId" },
      { name: "groups", entry: "groupRow", id: "groupId" },
      { name: "conversations", entry: "conversationRow", id: "conversationId" },
    ],
  ],
  [Command.PRESENCE, [{ name: "users", entry: "userPresence", id: "userId" }]],
]);

/** As `parseServerMessage`, but without the entries that cannot be read: `payload.unreadable` names them. */
export function readServerMessage(command: number, payload: Uint8Array | Fields): ServerMessage | MessageFault {
  const parsed = parseServerMessage(command, payload);
  if (!("error" in parsed) || parsed.error !== "BAD_PAYLOAD") return parsed;
  const read = readFields(payload);
  if ("error" in read) return parsed;
  const { fields } = read;
  const readable = command === Command.DELIVER ? deliveredOf(fields) : listsOf(fields, LISTS.get(command) ?? []);
  if (readable === undefined || readable.unreadable.length === 0) return parsed;
  const again = parseServerMessage(command, readable.fields);
  if ("error" in again) return again;
  Object.assign(again.payload, { unreadable: readable.unreadable });
  return again;
}

interface Readable {
  fields: Fields;
  unreadable: Unreadable[];
}

function listsOf(fields: Fields, lists: readonly List[]): Readable {
  const unreadable: Unreadable[] = [];
  const kept: Record<string, unknown> = {};
  for (const list of lists) {
    const entries = fields[list.name];
    if (!Array.isArray(entries)) continue;
    kept[list.name] = entries.filter((entry) => {
      const why = mapFault(entry, list.entry);
      if (why !== undefined) unreadable.push(describe(list, entry, why));
      return why === undefined;
    });
  }
  return { fields: { ...fields, ...kept }, unreadable };
}

/** The numbers in DELIVER have no hole, so one readable number gives all others. @returns undefined if none is readable */
function deliveredOf(fields: Fields): Readable | undefined {
  const { events: entries } = fields;
  if (!Array.isArray(entries)) return undefined;
  const known = entries.findIndex((entry) => Array.isArray(entry) && isSeq(entry[0]));
  if (known < 0) return undefined;
  const first = entries[known][0] - known;
  const events: unknown[] = [];
  const unreadable: Unreadable[] = [];
  entries.forEach((entry, index) => {
    const inboxSeq = first + index;
    const event = Array.isArray(entry) ? entry[1] : undefined;
    const isPair = Array.isArray(entry) && entry.length === 2 && entry[0] === inboxSeq;
    const why = isPair ? mapFault(event, EVENTS.entry) : "is no pair of number and event";
    if (why === undefined) events.push(entry);
    else unreadable.push({ ...describe(EVENTS, event, why), inboxSeq });
  });
  return { fields: { ...fields, events }, unreadable };
}

function describe({ name, id: key }: List, entry: unknown, why: string): Unreadable {
  const { [key]: id, seq } = isMap(entry) ? entry : {};
  const isWhole = typeof id === "string" && (name !== "events" || isConversationId(id));
  return { list: name, why, ...(isWhole ? { id } : {}), ...(isSeq(seq) ? { seq } : {}) };
}

function isSeq(value: unknown): value is number {
  return isIntegerBetween(value, 1, Number.MAX_SAFE_INTEGER);
}
