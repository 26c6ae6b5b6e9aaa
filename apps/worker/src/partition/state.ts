/**
 * The state of a partition's owner: the fold of its log, and nothing else decides. Folding the same records twice
 * gives the same state, so a new owner stands exactly where the old one stopped.
 */
import { parseSnowflake, type SnowflakeState } from "@carillon/base";
import { endOfRecord, type LoggedEvent, type LogRecord } from "@carillon/bus";
import { decodeEvent } from "@carillon/protocol";
import type { AcceptedMessage } from "../decide/accepted-log";
import { DedupeTable } from "../decide/dedupe-table";
import { Sequences } from "../decide/sequences";
import { GroupChanges, RecalledMessages } from "../decide/unarchived";
import { foldPoison, newPoison, type Poison } from "./poison";

export interface PartitionState {
  readonly partition: number;
  /** Epoch of the last record. */
  ownerEpoch: number;
  /** Everything in the queue up to this sequence is in the log or was answered. */
  covered: number;
  /** Sequence of the last record. */
  lastRecord: number;
  /** Fan-out position that the last record told. */
  fanout: number;
  /** Position up to which the archive has everything, as far as known. */
  archived: number;
  readonly sequences: Sequences;
  readonly dedupe: DedupeTable;
  readonly groupChanges: GroupChanges;
  readonly recalled: RecalledMessages;
  readonly snowflake: SnowflakeState;
  /** Which life of queue and log the records belong to; undefined before the first. */
  streamLife: string | undefined;
  /** Knowledge about requests that kill their worker. */
  readonly poison: Poison;
}

/** @param floor time (ms) since which the state knows every accepted id; 0 when the whole log is folded */
export function newPartitionState(partition: number, floor: number): PartitionState {
  return {
    partition,
    ownerEpoch: 0,
    covered: 0,
    lastRecord: 0,
    fanout: -1,
    archived: -1,
    sequences: new Sequences(),
    dedupe: new DedupeTable(floor),
    groupChanges: new GroupChanges(),
    recalled: new RecalledMessages(),
    snowflake: { ms: 0, counter: 0 },
    streamLife: undefined,
    poison: newPoison(),
  };
}

/** An accepted event as the state has to remember it. */
export interface FoldedEvent extends AcceptedMessage {
  senderId: string;
  conversationId: string;
  clientMsgId: string;
  /** Of an event that tells of a change of its group. */
  version?: number;
  /** Of an event that takes a message back: its number. */
  targetSeq?: number;
}

/** Takes one record of the log into the state. Records come in order, each once. */
export function foldRecord(state: PartitionState, record: LogRecord): void {
  foldAppended(state, record, record.body.kind === "events" ? record.body.events.map(readLogged) : []);
}

/** As foldRecord, for a record that was just appended: its events need not be decoded. */
export function foldAppended(state: PartitionState, record: LogRecord, events: FoldedEvent[]): void {
  const { seq, storedAt, header, body } = record;
  foldPoison(state.poison, body, state.covered, header.covered);
  state.ownerEpoch = header.ownerEpoch;
  state.covered = Math.max(state.covered, header.covered);
  state.fanout = Math.max(state.fanout, header.fanout);
  state.lastRecord = seq;
  state.streamLife = header.streamLife;
  const age = { position: endOfRecord(seq), storedAt };
  for (const event of events) {
    state.sequences.set(event.conversationId, event.seq, age);
    state.dedupe.add(event, age);
    const { conversationId, version, targetSeq } = event;
    if (targetSeq !== undefined) state.recalled.add(conversationId, targetSeq, age);
    if (version !== undefined) state.groupChanges.add(conversationId, version, event.seq, age);
  }
  const last = events.at(-1);
  if (last === undefined) return;
  // Message ids of a partition rise, so the last one of a record is the highest.
  const { ms, counter } = parseSnowflake(last.messageId);
  state.snowflake.ms = ms;
  state.snowflake.counter = counter;
}

function readLogged({ senderId, clientMsgId, digest, event, version }: LoggedEvent): FoldedEvent {
  const { conversationId, seq, messageId, sentAt, targetSeq } = decodeEvent(event);
  return { senderId, conversationId, clientMsgId, digest, seq, messageId, sentAt, targetSeq, version };
}

/** Log positions up to which everything has been in the archive for so long that it may be forgotten here. */
export interface LongArchived {
  /** Of ids: as long as the idempotency cache reaches back. */
  ids: number;
  /** Of numbers: a MySQL that fails over may lose the last of what it said that it has. */
  numbers: number;
}

/**
 * Forgets what the archive has had for long and no retry within the cache's time can ask for.
 * @param olderThan time, ms
 */
export function pruneState(
  state: PartitionState,
  olderThan: number,
  archived: LongArchived = { ids: state.archived, numbers: state.archived },
): void {
  state.dedupe.prune(olderThan, archived.ids);
  state.sequences.prune(olderThan, archived.numbers);
  state.groupChanges.prune(olderThan, archived.numbers);
  state.recalled.prune(olderThan, archived.numbers);
}
