/** Good inputs for the attacks to change: the golden samples of the protocol, and one payload of each command. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { uuidv7 } from "@carillon/base";
import { Command, commandTable, encodeFrame } from "@carillon/protocol";
import type { Random } from "./random";

const GOLDEN = path.join(__dirname, "../../schemas/golden");

function golden<T>(file: string): T[] {
  return (JSON.parse(readFileSync(path.join(GOLDEN, file), "utf8")) as { samples: T[] }).samples;
}

const frames = golden<{ hex: string }>("frames.json").map(({ hex }) => Buffer.from(hex, "hex"));
const badFrames = golden<{ hex: string }>("bad-frames.json").map(({ hex }) => Buffer.from(hex, "hex"));
const badPayloads = golden<{ number: number; hex: string }>("bad-payloads.json");
const texts = golden<{ text: string }>("json-frames.json").map(({ text }) => text);
const clientCommands = commandTable.filter(({ direction }) => direction !== "server");

/** Ids that an attacker may name: their own, those of missing users, those of existing and missing groups. */
export interface Names {
  userId: string;
  groupId: string;
}

/** Makes a payload as a good client sends it. */
export function goodPayload(random: Random, command: number, { userId, groupId }: Names): Record<string, unknown> {
  const conversationId = random.pick([`p:${userId}:${userId}`, `g:${groupId}`, "g:nothing", "p:a:b"]);
  const to = random.pick([`u:${userId}`, `g:${groupId}`, "u:nobody-there"]);
  const clientMsgId = uuidv7(Date.now());
  switch (command) {
    case Command.SEND:
      return { clientMsgId, to, contentType: random.pick(["text", "image", "custom", "system"]), content: "hello" };
    case Command.RECEIVED:
      return { epoch: "e", inboxSeq: random.below(10) };
    case Command.PULL:
      return { conversationId, fromSeq: random.between(1, 20), limit: random.between(1, 64), backwards: false };
    case Command.SYNC:
      return { limit: random.between(1, 64), relationsVersion: 0, groupsVersion: 0 };
    case Command.READ:
      return { conversationId, seq: random.between(1, 20) };
    case Command.RECALL:
      return { clientMsgId, conversationId, targetSeq: random.between(1, 20) };
    case Command.TYPING:
    case Command.FOCUS:
      return { conversationId };
    case Command.WATCH_PRESENCE:
      return { userIds: [userId, "nobody-there"], on: random.chance(0.7) };
    case Command.TOKEN:
      return { token: "x.y.z" };
    case Command.CONNECT:
      return { token: "x.y.z", deviceId: "device-1", platform: "other" };
    default:
      return {};
  }
}

export const anyCommand = (random: Random): number => random.pick(clientCommands).number;

/** Makes a whole frame, good or nearly good. */
export function frameSample(random: Random, names: Names): Buffer {
  const command = anyCommand(random);
  switch (random.below(6)) {
    case 0:
      return random.pick(frames);
    case 1:
      return random.pick(badFrames);
    case 2: {
      const { number, hex } = random.pick(badPayloads);
      return Buffer.from(encodeFrame(number, random.below(100), Buffer.from(hex, "hex")));
    }
    default:
      return Buffer.from(encodeFrame(command, random.below(2 ** 32), goodPayload(random, command, names)));
  }
}

/** Makes a frame whose payload has one odd value, or nonsense if our own encoder refuses the value. */
export function oddFrame(random: Random, names: Names, mutate: (value: unknown) => unknown): Buffer {
  const command = anyCommand(random);
  const value = mutate(goodPayload(random, command, names));
  try {
    const payload = typeof value === "object" && value !== null ? value : { value };
    return Buffer.from(encodeFrame(command, random.below(100), payload));
  } catch {
    return random.bytes(20);
  }
}

/** Makes a frame of the JSON form, as text. */
export function textSample(random: Random, names: Names): string {
  if (random.chance(0.3)) return random.pick(texts);
  const { number, name } = random.pick(clientCommands);
  return JSON.stringify({ command: name, requestId: random.below(100), payload: goodPayload(random, number, names) });
}

/** Returns the lines of an upgrade. */
export function upgradeLines(subprotocol: string): string[] {
  return [
    "GET /ws HTTP/1.1",
    "Host: x",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    `Sec-WebSocket-Protocol: ${subprotocol}`,
  ];
}

/** Targets that may confuse a parser of addresses. */
export const ODD_TARGETS = [
  "//",
  "http://[",
  "/\\",
  "//:80",
  "http://",
  "http://a:b:c/",
  "*",
  "/%",
  "/%zz",
  "/ws?%ff",
  "/../../etc/passwd",
  "?",
  "#",
  "/ws#",
  "https://example.org:99999/ws",
  "/\u0001",
  "/é",
  `/${"a".repeat(9_000)}`,
  `/ws?${"a=b&".repeat(1_500)}`,
];
