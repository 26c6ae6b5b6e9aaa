/** Messages of workers and apis to a gateway: answers to requests, pushes of events, notices to users. */
import { ByteWriter } from "@carillon/protocol";
import { ENVELOPE_VERSION, pack, unpackEnvelope } from "./codec";

/** A whole frame for one connection: SENT or ERROR. */
export interface Answer {
  connection: number;
  frame: Uint8Array;
}

/** One event for the inboxes of several users, encoded once. */
export interface Push {
  event: Uint8Array;
  targets: PushTarget[];
}

export interface PushTarget {
  userId: string;
  /** Epoch and number that the event has in this user's inbox. */
  inboxEpoch: string;
  inboxSeq: number;
}

/** A frame for the devices of a user that are here: READ_UPDATE, DELIVERED_UPDATE, CHANGED. */
export interface Notice {
  userId: string;
  /** Device that does not get the notice, because it caused it. */
  exceptDeviceId?: string;
  frame: Uint8Array;
}

/** Order to close connections: another device took the place, a token was revoked, or a user was disabled. */
export interface Closing {
  userId: string;
  /** Absent: all devices of the user. */
  deviceId?: string;
  /** Absent: any connection of the device. A number has a meaning in one boot of the gateway only. */
  connection?: { boot: string; number: number };
  closeCode: number;
}

export interface Announcement {
  userId: string;
  inboxEpoch: string;
}

/** A change of a large group, told to all gateways although only those with members of the group need it. */
export interface GroupNews {
  groupId: string;
  /** Number of the event that made the change. */
  seq: number;
  /** Users who belong to this large group from now on. Absent: the group is small, and its events come through the inboxes. */
  members?: string[];
}

/** A tick; every worker sends one every 2 s. */
export interface Tick {
  /** Life of Redis. */
  redisLife: string;
  /** Large groups with recent events, and their last numbers. */
  groups: [groupId: string, lastSeq: number][];
}

export type DownlinkMessage =
  | { kind: "answers"; boot: string; answers: Answer[] }
  | { kind: "pushes"; pushes: Push[] }
  | { kind: "notices"; notices: Notice[] }
  | { kind: "closings"; closings: Closing[] }
  /** To every gateway: the inboxes of these users were just recreated; gateways with their devices register them again. */
  | { kind: "announcements"; announcements: Announcement[] }
  | { kind: "groups"; news: GroupNews[] }
  /** Every worker sends it every 2 s, so that silence means a loss. */
  | ({ kind: "tick" } & Tick);

/** Place of a message in the link from one sender to one gateway. */
export interface LinkPlace {
  sender: string;
  /** New whenever the gateway entered the sender's view. */
  linkId: string;
  /** From 1. */
  number: number;
}

const writer = new ByteWriter();

const KINDS = ["answers", "pushes", "notices", "closings", "tick", "announcements", "groups"] as const;

export function encodeDownlink(place: LinkPlace, message: DownlinkMessage): Uint8Array {
  const head = [ENVELOPE_VERSION, KINDS.indexOf(message.kind) + 1, place.sender, place.linkId, place.number];
  switch (message.kind) {
    case "answers":
      return writeAnswers(place, message.boot, message.answers);
    case "pushes":
      return writePushes(place, message.pushes);
    case "notices":
      return pack([...head, message.notices.map((n) => [n.userId, n.exceptDeviceId ?? null, n.frame])]);
    case "closings":
      return pack([
        ...head,
        message.closings.map(({ userId, deviceId, connection, closeCode }) => [
          userId,
          deviceId ?? null,
          connection?.boot ?? null,
          connection?.number ?? null,
          closeCode,
        ]),
      ]);
    case "tick":
      return pack([...head, message.redisLife, message.groups]);
    case "announcements":
      return pack([...head, message.announcements.map(({ userId, inboxEpoch }) => [userId, inboxEpoch])]);
    case "groups":
      return pack([...head, message.news.map(({ groupId, seq, members }) => [groupId, seq, members ?? null])]);
  }
}

/** Answers and pushes have hand-written codecs, because each message causes some of them. */
function beginByHand({ sender, linkId, number }: LinkPlace, kind: DownlinkMessage["kind"], fields: number): void {
  writer.begin();
  writer.listHeader(5 + fields);
  writer.unsigned(ENVELOPE_VERSION);
  writer.unsigned(KINDS.indexOf(kind) + 1);
  writer.text(sender);
  writer.text(linkId);
  writer.unsigned(number);
}

function writeAnswers(place: LinkPlace, boot: string, answers: Answer[]): Uint8Array {
  beginByHand(place, "answers", 2);
  writer.text(boot);
  writer.listHeader(answers.length);
  for (const { connection, frame } of answers) {
    writer.listHeader(2);
    writer.unsigned(connection);
    writer.binary(frame);
  }
  return writer.finish();
}

function writePushes(place: LinkPlace, pushes: Push[]): Uint8Array {
  beginByHand(place, "pushes", 1);
  writer.listHeader(pushes.length);
  for (const { event, targets } of pushes) {
    writer.listHeader(2);
    writer.binary(event);
    writer.listHeader(targets.length);
    for (const { userId, inboxEpoch, inboxSeq } of targets) {
      writer.listHeader(3);
      writer.text(userId);
      writer.text(inboxEpoch);
      writer.unsigned(inboxSeq);
    }
  }
  return writer.finish();
}

type TargetRow = [string, string, number];

export function decodeDownlink(bytes: Uint8Array): { place: LinkPlace; message: DownlinkMessage } {
  const [, kind, sender, linkId, number, ...rest] = unpackEnvelope(bytes) as [number, number, string, string, number];
  return { place: { sender, linkId, number }, message: decodeMessage(kind, rest) };
}

function decodeMessage(kind: number, rest: unknown[]): DownlinkMessage {
  switch (KINDS[kind - 1]) {
    case "answers":
      return {
        kind: "answers",
        boot: rest[0] as string,
        answers: (rest[1] as [number, Uint8Array][]).map(([connection, frame]) => ({ connection, frame })),
      };
    case "pushes":
      return {
        kind: "pushes",
        pushes: (rest[0] as [Uint8Array, TargetRow[]][]).map(([event, rows]) => ({
          event,
          targets: rows.map(([userId, inboxEpoch, inboxSeq]) => ({ userId, inboxEpoch, inboxSeq })),
        })),
      };
    case "notices":
      return {
        kind: "notices",
        notices: (rest[0] as [string, string | null, Uint8Array][]).map(([userId, except, frame]) =>
          except === null ? { userId, frame } : { userId, exceptDeviceId: except, frame },
        ),
      };
    case "closings":
      return {
        kind: "closings",
        closings: (rest[0] as [string, string | null, string | null, number | null, number][]).map(
          ([userId, deviceId, boot, number, closeCode]) => ({
            userId,
            closeCode,
            ...(deviceId === null ? {} : { deviceId }),
            ...(boot === null || number === null ? {} : { connection: { boot, number } }),
          }),
        ),
      };
    case "tick":
      return { kind: "tick", redisLife: rest[0] as string, groups: (rest[1] ?? []) as [string, number][] };
    case "announcements":
      return {
        kind: "announcements",
        announcements: (rest[0] as [string, string][]).map(([userId, inboxEpoch]) => ({ userId, inboxEpoch })),
      };
    case "groups":
      return {
        kind: "groups",
        news: (rest[0] as [string, number, string[] | null][]).map(([groupId, seq, members]) => ({
          groupId,
          seq,
          ...(members === null ? {} : { members }),
        })),
      };
    default:
      throw new Error(`unknown kind of downlink message: ${kind}`);
  }
}
