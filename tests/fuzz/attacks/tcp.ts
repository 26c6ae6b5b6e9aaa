/** Attacks by frames over TCP: random, nearly good, cut anywhere; before and after log-in. */
import { Command, encodeFrame } from "@carillon/protocol";
import { type Attack, Finding, type Scene } from "../attack";
import { cutAnywhere, mutateBytes, mutateValue } from "../mutate";
import type { Random } from "../random";
import { frameSample, oddFrame } from "../samples";
import { Wire } from "../wire";

const MOST_INPUTS = 40;

/** Returns a CONNECT of the attacker's own device. */
export function connectFrame({ attacker: { token, deviceId } }: Scene): Buffer {
  return Buffer.from(encodeFrame(Command.CONNECT, 1, { token, deviceId, platform: "other" }));
}

/** Makes one frame, which may be anything. */
export function anyFrame(random: Random, { attacker }: Scene): Buffer {
  switch (random.below(5)) {
    case 0:
      return random.bytes(random.between(1, 60));
    case 1:
      return frameSample(random, attacker);
    case 2:
      return oddFrame(random, attacker, (value) => mutateValue(random, value));
    default:
      return mutateBytes(random, frameSample(random, attacker));
  }
}

/** Ends a connection in one of the usual ways. @throws Finding when the server does not close its side */
export async function endSomehow(random: Random, wire: Wire, what: string): Promise<void> {
  if (random.chance(0.3)) return wire.reset();
  if (!(await wire.finish())) throw new Finding(`a connection was not closed by the server: ${what}`);
}

export const tcpFrames: Attack = {
  name: "tcp",
  about: "random and nearly good frames over TCP, cut anywhere, with and without log-in",
  run: async (random, scene) => {
    const wire = await Wire.open(random.pick(scene.gateways).tcp, scene.from);
    if (random.chance(0.7)) {
      wire.write(connectFrame(scene));
      if (random.chance(0.8)) await wire.until(() => wire.received.length > 0);
    }
    let inputs = 0;
    for (let i = random.between(1, MOST_INPUTS); i > 0 && !wire.isClosed; i--) {
      for (const chunk of cutAnywhere(random, anyFrame(random, scene))) {
        wire.write(chunk);
        if (random.chance(0.2)) await new Promise((resolve) => setImmediate(resolve));
      }
      inputs++;
    }
    await endSomehow(random, wire, "frames over TCP");
    return inputs;
  },
};
