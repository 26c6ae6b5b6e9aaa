/** Attacks by WebSocket messages: binary frames, the JSON form, and bytes that break the rules of WebSocket itself. */
import { Command } from "@carillon/protocol";
import type { Attack, Scene } from "../attack";
import { cutAnywhere, mutateBytes, mutateText, mutateValue } from "../mutate";
import type { Random } from "../random";
import { anyCommand, goodPayload, textSample, upgradeLines } from "../samples";
import { Wire } from "../wire";
import { anyFrame, connectFrame, endSomehow } from "./tcp";

const MOST_INPUTS = 40;
const [TEXT, BINARY, CLOSE, PING, PONG] = [1, 2, 8, 9, 10];

interface Header {
  opcode: number;
  isFinal?: boolean;
  isMasked?: boolean;
  /** Length in the header, which may be wrong. */
  length?: number;
  reserved?: number;
}

/** Makes a frame of WebSocket as a client sends it. */
function webSocketFrame(random: Random, payload: Buffer, header: Header): Buffer {
  const { opcode, isFinal = true, isMasked = true, length = payload.length, reserved = 0 } = header;
  const first = (isFinal ? 0x80 : 0) | (reserved << 4) | opcode;
  const mask = isMasked ? random.bytes(4) : Buffer.alloc(0);
  const bit = isMasked ? 0x80 : 0;
  let head = Buffer.from([first, bit | Math.min(length, 125)]);
  if (length > 0xffff) {
    head = Buffer.alloc(10);
    head[0] = first;
    head[1] = bit | 127;
    head.writeBigUInt64BE(BigInt(Math.floor(length)), 2);
  } else if (length > 125) {
    head = Buffer.alloc(4);
    head[0] = first;
    head[1] = bit | 126;
    head.writeUInt16BE(length, 2);
  }
  const masked = isMasked ? payload.map((byte, i) => byte ^ mask[i % 4]!) : payload;
  return Buffer.concat([head, mask, masked]);
}

async function open(random: Random, scene: Scene, subprotocol: string): Promise<Wire> {
  const wire = await Wire.open(random.pick(scene.gateways).ws, scene.from);
  wire.write(`${upgradeLines(subprotocol).join("\r\n")}\r\n\r\n`);
  await wire.until(() => wire.received.includes("\r\n\r\n"));
  return wire;
}

function anyText(random: Random, { attacker }: Scene): string {
  switch (random.below(4)) {
    case 0:
      return textSample(random, attacker);
    case 1:
      return mutateText(random, textSample(random, attacker));
    case 2:
      return JSON.stringify(random.value());
    default: {
      const frame = { command: "SEND", requestId: 1, payload: goodPayload(random, anyCommand(random), attacker) };
      return JSON.stringify(mutateValue(random, frame));
    }
  }
}

async function converse(random: Random, scene: Scene, wire: Wire, next: () => Buffer): Promise<number> {
  let inputs = 0;
  for (let i = random.between(1, MOST_INPUTS); i > 0 && !wire.isClosed; i--) {
    for (const chunk of cutAnywhere(random, next())) wire.write(chunk);
    if (random.chance(0.1)) await new Promise((resolve) => setImmediate(resolve));
    inputs++;
  }
  await endSomehow(random, wire, `WebSocket of ${scene.attacker.userId}`);
  return inputs;
}

export const webSocketFrames: Attack = {
  name: "ws",
  about: "binary messages over WebSocket: random and nearly good frames, several in one message",
  run: async (random, scene) => {
    const wire = await open(random, scene, "carillon.v1");
    const message = (payload: Buffer) => webSocketFrame(random, payload, { opcode: BINARY });
    if (random.chance(0.7)) wire.write(message(connectFrame(scene)));
    return converse(random, scene, wire, () =>
      message(Buffer.concat(Array.from({ length: random.between(1, 3) }, () => anyFrame(random, scene)))),
    );
  },
};

export const jsonFrames: Attack = {
  name: "json",
  about: "text messages of the JSON form: random, nearly good, with halves of surrogate pairs",
  run: async (random, scene) => {
    const wire = await open(random, scene, "carillon.json.v1");
    const message = (text: string) => webSocketFrame(random, Buffer.from(text), { opcode: TEXT });
    if (random.chance(0.7)) {
      const { token, deviceId } = scene.attacker;
      const payload = { token, deviceId, platform: "other" };
      wire.write(message(JSON.stringify({ command: "CONNECT", requestId: Command.CONNECT, payload })));
    }
    return converse(random, scene, wire, () => message(anyText(random, scene)));
  },
};

export const webSocketRules: Attack = {
  name: "ws-rules",
  about: "bytes that break the rules of WebSocket: opcodes, masks, fragments, lengths, control frames",
  run: async (random, scene) => {
    const wire = await open(random, scene, random.pick(["carillon.v1", "carillon.json.v1"]));
    return converse(random, scene, wire, () => {
      const payload = random.chance(0.5) ? random.bytes(random.between(0, 130)) : anyFrame(random, scene);
      const opcode = random.pick([0, TEXT, BINARY, CLOSE, PING, PING, PONG, PONG, random.below(16)]);
      const header = {
        opcode,
        isFinal: random.chance(0.7),
        isMasked: random.chance(0.95),
        reserved: random.chance(0.05) ? random.between(1, 7) : 0,
        ...(random.chance(0.1) ? { length: random.pick([0, 125, 126, 0xffff, 0x10000, 131_073, 2 ** 40]) } : {}),
      };
      const frame = webSocketFrame(random, payload, header);
      return random.chance(0.1) ? mutateBytes(random, frame) : frame;
    });
  },
};
