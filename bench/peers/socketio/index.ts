/** socket.io with its adapter for Redis streams: a common way to build a chat in the same language. */
import path from "node:path";
import { type LocalServer, type ProcessGuard, probeTcp, runServer, startRedis } from "@carillon/local";
import type { Contestant, RunningContestant } from "../contestant";
import { startGuarded } from "../guarded";
import { pairedClients } from "../pairs";
import { installSocketIo, lockedVersions } from "./install";

const PROCESSES = 2;

export const socketIo: Contestant = {
  name: "socket.io",
  tier: "T0",
  front: "node",
  describe: () =>
    `${lockedVersions()}; ${PROCESSES} processes, WebSocket only; the acknowledgement says that the event was given to ` +
    "the adapter, which then adds it to a stream of Redis (the newest 100,000 events, append-only file synced every " +
    "second); no archive",
  start,
};

async function start(directory: string, onProgress: (line: string) => void): Promise<RunningContestant> {
  const home = await installSocketIo(onProgress);
  return startGuarded(async (guard) => {
    const redis = await startRedis({ directory: path.join(directory, "redis"), guard });
    const servers: LocalServer[] = [];
    for (let i = 0; i < PROCESSES; i++) {
      servers.push(await startNode(home, path.join(directory, `node-${i}`), redis, guard));
    }
    return {
      protocolFile: path.join(__dirname, "protocol.ts"),
      clients: async (count) =>
        pairedClients(count, (i) => ({ port: servers[processOf(i)]!.port, secret: redis.password })),
      processes: () =>
        new Map([
          ["node", servers.flatMap(({ pid }) => pid ?? [])],
          ["Redis", redis.pid === undefined ? [] : [redis.pid]],
        ]),
      stop: async () => {
        for (const server of [...servers, redis]) await server.stop();
      },
    };
  });
}

/** Spreads clients as a load balancer does: half of the pairs are at one process, half are not. */
function processOf(client: number): number {
  const pair = client >> 1;
  return ((pair >> 1) ^ (pair & client)) & 1;
}

function startNode(home: string, directory: string, redis: LocalServer, guard: ProcessGuard): Promise<LocalServer> {
  return runServer({ directory, guard }, 1, async ([port]) => ({
    address: { url: `http://127.0.0.1:${port}`, port: port!, password: "" },
    plan: {
      name: "socket.io",
      command: process.execPath,
      args: [path.join(home, "server.mjs")],
      env: { PORT: String(port), REDIS_URL: redis.url, SECRET: redis.password, NODE_ENV: "production" },
      cwd: home,
      output: path.join(directory, "server.log"),
      isReady: () => probeTcp(port!, "GET /socket.io/ HTTP/1.0\r\n\r\n", (answer) => answer.length > 0),
      readyTimeoutMs: 30_000,
      stopGraceMs: 5_000,
    },
  }));
}
