/** ejabberd with its archive in MariaDB: the peer that promises the same as Carillon. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import {
  type LocalServer,
  type MariadbServer,
  type ProcessGuard,
  probeTcp,
  renderTemplate,
  runServer,
  startMariadb,
  type UnpackedPackages,
} from "@carillon/local";
import type { LoadClientSpec } from "../../generator/load-protocol";
import type { Contestant, RunningContestant, Tier } from "../contestant";
import { unpackedVersion, unpackPeer } from "../debian-peer";
import { startGuarded } from "../guarded";
import { pairedClients } from "../pairs";
import { addAccounts, awaitPool, countArchived, makeTables } from "./database";
import { protocol } from "./protocol";

/**
 * A client's process in ejabberd writes the sender's row of the archive and waits for the commit, which is flushed to
 * disk, before it looks at the `<r/>` behind the message: an acknowledged message is on disk, in the sender's archive. The
 * receiver's row is written by the receiver's process, in its own time.
 */
const TIER: Tier = "T2";

/** Half of the cores: the others are the database's. One round on 2 cores: 559 us per message, 602 and 670 with both. */
const SCHEDULERS = Math.max(1, availableParallelism() >> 1);

/**
 * Flags of the Erlang machine, as pairs. https://docs.ejabberd.im/admin/guide/managing/#erlang-runtime-system: kernel polling
 * and the number of processes, which are the values of the package. https://www.erlang.org/doc/apps/erts/erl_cmd.html: the
 * number of schedulers, and the flag by which threads that wait for work do not spin, since the database can use the time.
 */
const ERLANG_FLAGS = [
  ["+K", "true"],
  ["+P", "250000"],
  ["+S", `${SCHEDULERS}:${SCHEDULERS}`],
  ["+sbwt", "none"],
  ["+sbwtdcpu", "none"],
  ["+sbwtdio", "none"],
].flat();

export const ejabberd: Contestant = {
  name: "ejabberd",
  tier: TIER,
  front: "beam",
  describe: () =>
    `ejabberd ${unpackedVersion("ejabberd")}, plain TCP, stream management, archive (mod_mam) and offline messages in a ` +
    "MariaDB of its own, flushed at each commit; the acknowledgement says that the message is on disk in the sender's " +
    "archive, the receiver's copy is written on its own",
  start,
};

async function start(directory: string, onProgress: (line: string) => void): Promise<RunningContestant> {
  const unpacked = await unpackPeer(["ejabberd", "erlang-p1-mysql"], /^(lib|erlang-)/, onProgress);
  return startGuarded(async (guard) => {
    // As large as Carillon's.
    const sizes = { bufferPool: "256M", logFileSize: "64M" };
    const mysql = await startMariadb({ directory: path.join(directory, "mysql"), guard, ...sizes });
    await makeTables(mysql, unpacked.root);
    const server = await startEjabberd(unpacked, path.join(directory, "ejabberd"), mysql, guard);
    const pids = ({ pid }: LocalServer) => (pid === undefined ? [] : [pid]);
    return {
      protocolFile: path.join(__dirname, "protocol.ts"),
      clients: async (count) => {
        const clients = pairedClients(count, () => ({ port: server.port, secret: mysql.password }));
        const userIds = clients.map(({ userId }) => userId);
        await addAccounts(mysql, userIds, mysql.password);
        await connectToDatabase(clients[0]!);
        await awaitPool(mysql);
        return clients;
      },
      processes: () =>
        new Map([
          ["beam", pids(server)],
          ["MariaDB", pids(mysql)],
        ]),
      archived: () => countArchived(mysql),
      stop: async () => {
        await server.stop();
        await mysql.stop();
      },
    };
  });
}

/** ejabberd connects to its database at the first log-in, and refuses other clients meanwhile. */
async function connectToDatabase(client: LoadClientSpec): Promise<void> {
  const nothing = () => {};
  (await protocol.open(client, { onMessage: nothing, onAccepted: nothing, onError: nothing })).close();
}

function startEjabberd(
  { root, env }: UnpackedPackages,
  directory: string,
  mysql: MariadbServer,
  guard: ProcessGuard,
): Promise<LocalServer> {
  const erlang = erlangAt(root);
  return runServer({ directory, guard }, 1, async ([port]) => {
    const spool = path.join(directory, "spool");
    mkdirSync(spool, { recursive: true });
    const config = path.join(directory, "ejabberd.yml");
    const values = {
      port: port!,
      sqlPort: mysql.port,
      sqlDatabase: mysql.database,
      sqlUser: mysql.user,
      sqlPassword: mysql.password,
    };
    const template = readFileSync(path.join(__dirname, "ejabberd.yml"), "utf8");
    writeFileSync(config, renderTemplate(template, values), { mode: 0o600 });
    return {
      address: { url: `xmpp://127.0.0.1:${port}`, port: port!, password: "" },
      plan: {
        name: "ejabberd",
        command: erlang.command,
        // Without a name of its node it needs no port mapper, which would outlive it.
        args: [...ERLANG_FLAGS, "-noinput", "-mnesia", "dir", JSON.stringify(spool), "-s", "ejabberd"],
        env: {
          ...env,
          ...erlang.env,
          EJABBERD_CONFIG_PATH: config,
          EJABBERD_LOG_PATH: path.join(directory, "ejabberd.log"),
          ERL_CRASH_DUMP_BYTES: "0",
          ERL_MAX_PORTS: "32000",
        },
        cwd: directory,
        output: path.join(directory, "server.log"),
        isReady: () => probeTcp(port!, "<stream:stream>", (answer) => answer.includes("stream")),
        readyTimeoutMs: 60_000,
        stopGraceMs: 20_000,
      },
    };
  });
}

/** The scripts that start Erlang know one place only, so this function does their work with the place where Erlang was unpacked. */
function erlangAt(root: string): { command: string; env: Record<string, string> } {
  const home = path.join(root, "usr/lib/erlang");
  const runtime = readdirSync(home).find((name) => name.startsWith("erts-"));
  if (runtime === undefined) throw new Error(`ejabberd cannot be installed: no Erlang was unpacked in ${home}`);
  const programs = path.join(home, runtime, "bin");
  const multiarch = readdirSync(path.join(root, "usr/lib")).find((name) => /-linux-gnu\w*$/.test(name)) ?? "";
  return {
    command: path.join(programs, "erlexec"),
    env: {
      ROOTDIR: home,
      BINDIR: programs,
      EMU: "beam",
      PROGNAME: "erl",
      ERL_LIBS: path.join(root, "usr/lib", multiarch),
    },
  };
}
