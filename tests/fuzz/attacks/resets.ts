/** Attacks that break handshakes off by a reset at every point: before the first byte, inside a line, inside a frame. */
import type { Attack, Scene } from "../attack";
import type { Random } from "../random";
import { upgradeLines } from "../samples";
import { Wire } from "../wire";
import { connectFrame } from "./tcp";

const AT_ONCE = 10;

/** Returns the first bytes of a client, and the port that gets them. */
function beginning(random: Random, scene: Scene) {
  const { tcp, ws } = random.pick(scene.gateways);
  const upgrade = Buffer.from(
    `${upgradeLines(random.pick(["carillon.v1", "carillon.json.v1", "chat"])).join("\r\n")}\r\n\r\n`,
  );
  const { token } = scene.attacker;
  const request = Buffer.from(`GET /v1/users/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`);
  return random.pick([
    { place: tcp, bytes: connectFrame(scene) },
    { place: ws, bytes: upgrade },
    { place: ws, bytes: Buffer.from(upgrade.toString().replace("/ws", "/x")) },
    { place: scene.api, bytes: request },
  ]);
}

export const resets: Attack = {
  name: "reset",
  about: "resets at every point of a handshake: TCP, upgrade, CONNECT, HTTP",
  run: async (random, scene) => {
    const one = async () => {
      const { place, bytes } = beginning(random, scene);
      const sent = bytes.subarray(0, random.chance(0.4) ? bytes.length : random.below(bytes.length));
      const patience = random.pick([0, 0, 1, 5]);
      const wire = await Wire.open(place, scene.from);
      wire.write(sent);
      if (patience > 0) await wire.until(() => wire.received.length > 0, patience);
      wire.reset();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, one));
    return AT_ONCE;
  },
};
