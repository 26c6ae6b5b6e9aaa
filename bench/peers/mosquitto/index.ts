/** mosquitto is a broker in C for MQTT; it shows about the least CPU that accepting and passing on a message can cost. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import path from "node:path";
import {
  type LocalServer,
  type ProcessGuard,
  probeTcp,
  renderTemplate,
  runServer,
  type UnpackedPackages,
} from "@carillon/local";
import type { Contestant, RunningContestant } from "../contestant";
import { unpackedVersion, unpackPeer } from "../debian-peer";
import { startGuarded } from "../guarded";
import { pairedClients } from "../pairs";
import { encodeConnect } from "./mqtt";

export const mosquitto: Contestant = {
  name: "mosquitto",
  tier: "T0",
  front: "mosquitto",
  describe: () =>
    `mosquitto ${unpackedVersion("mosquitto")}, MQTT 3.1.1 with QoS 1 and persistent sessions; PUBACK says that a ` +
    "message is in memory, what waits for somebody is written to disk every 30 minutes and at the end; no archive, no passwords",
  start,
};

async function start(directory: string, onProgress: (line: string) => void): Promise<RunningContestant> {
  const unpacked = await unpackPeer(["mosquitto"], /^lib/, onProgress);
  return startGuarded(async (guard) => {
    const server = await startBroker(unpacked, directory, guard);
    return {
      protocolFile: path.join(__dirname, "protocol.ts"),
      clients: async (count) => pairedClients(count, () => ({ port: server.port, secret: "" })),
      processes: () => new Map([["mosquitto", server.pid === undefined ? [] : [server.pid]]]),
      stop: () => server.stop(),
    };
  });
}

function startBroker({ root, env }: UnpackedPackages, directory: string, guard: ProcessGuard): Promise<LocalServer> {
  return runServer({ directory, guard }, 1, async ([port]) => {
    const config = path.join(directory, "mosquitto.conf");
    const dataDirectory = path.join(directory, "data");
    mkdirSync(dataDirectory, { recursive: true });
    const template = readFileSync(path.join(__dirname, "mosquitto.conf"), "utf8");
    writeFileSync(config, renderTemplate(template, { port: port!, user: userInfo().username, dataDirectory }));
    return {
      address: { url: `mqtt://127.0.0.1:${port}`, port: port!, password: "" },
      plan: {
        name: "mosquitto",
        command: path.join(root, "usr/sbin/mosquitto"),
        args: ["-c", config],
        env,
        cwd: directory,
        output: path.join(directory, "server.log"),
        isReady: () => probeTcp(port!, encodeConnect("probe").toString("latin1"), (answer) => answer.length > 0),
        readyTimeoutMs: 20_000,
        stopGraceMs: 10_000,
      },
    };
  });
}
