/** `carillon nodes`: lists the processes of the cluster; `watch`, `drain`, `undrain`. */
import { setTimeout as sleep } from "node:timers/promises";
import { listNodes, type NodeRow, orderNode } from "@carillon/operations";
import type { Command } from "commander";
import { audited } from "../cluster/audited";
import { Cluster, withCluster } from "../cluster/open-cluster";
import { type CommonOptions, clusterCommand, parseCount } from "../command";
import { ageOf, describeLoad, print, stateColour, tableOf, terminalText, visibleParts } from "../output/print";

const WATCH_MS = 1_000;
const HOME = "\u001b[H";
const CLEAR_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";
const CLEAR = "\u001b[2J";

export function nodesCommand(): Command {
  const command = clusterCommand("nodes", "list the nodes: role, state, version, addresses, connections, load").action(
    async ({ data, json }: CommonOptions) => {
      const nodes = await withCluster(data, listNodes);
      print({ nodes }, json, (document) => describeNodes(document.nodes));
    },
  );
  command.addCommand(watchCommand());
  command.addCommand(
    orderCommand("drain", "take a node out of the cluster, and send its clients to other nodes at a limited rate"),
  );
  command.addCommand(orderCommand("undrain", "let a drained node serve again"));
  return command;
}

function orderCommand(order: "drain" | "undrain", description: string): Command {
  return clusterCommand(order, description)
    .argument("<node>", "node id")
    .action(async (nodeId: string, _: CommonOptions, command: Command) => {
      const { data, json } = command.optsWithGlobals<CommonOptions>();
      const act = { act: `admin.node.${order}`, whom: `node:${nodeId}` };
      const answer = await withCluster(data, (cluster) =>
        audited(cluster, act, () => orderNode(cluster, nodeId, order)),
      );
      print(answer, json, ({ state }) => `${nodeId}: ${order === "drain" ? "draining" : state}\n`);
    });
}

function watchCommand(): Command {
  return clusterCommand("watch", "show the nodes live, until Ctrl-C; with --json one line per second")
    .option("--times <n>", "end after this number of updates", parseCount)
    .action(async (_: CommonOptions, command: Command) => {
      const { data, json, times } = command.optsWithGlobals<CommonOptions & { times?: number }>();
      const cluster = await Cluster.open(data);
      try {
        await watch(cluster, json === true, times ?? Number.POSITIVE_INFINITY);
      } finally {
        await cluster.close();
      }
    });
}

async function watch(cluster: Cluster, json: boolean, times: number): Promise<void> {
  const stopping = new AbortController();
  process.once("SIGINT", () => stopping.abort());
  const isTerminal = process.stdout.isTTY === true;
  if (isTerminal && !json) process.stdout.write(CLEAR);
  for (let look = 1; look <= times && !stopping.signal.aborted; look++) {
    const nodes = await listNodes(cluster);
    if (json || !isTerminal) print({ nodes }, json, (shown) => `${describeNodes(shown.nodes)}\n`);
    else {
      const text = terminalText(describeNodes(visibleParts(nodes)));
      process.stdout.write(`${HOME}${text.replaceAll("\n", `${CLEAR_LINE}\n`)}${CLEAR_BELOW}`);
    }
    if (look < times) await sleep(WATCH_MS, undefined, { signal: stopping.signal }).catch(() => {});
  }
}

function describeNodes(nodes: NodeRow[]): string {
  const rows = nodes.map((row) => {
    const { role, nodeId, state, version, addresses, startedAt, connections, load } = row;
    const { connections: _, ...rest } = load;
    const where = describeAddresses(addresses);
    const age = ageOf(Date.now() - startedAt);
    return [role, nodeId, stateColour(state), version || "-", where, age, connections, describeLoad(rest)];
  });
  return tableOf(["role", "node", "state", "version", "addresses", "age", "connections", "load"], rows);
}

/** The order of the addresses in the table. */
const TRANSPORTS = ["ws", "tcp", "udp", "http"];

/** Addresses that are no URLs get the name of their transport. */
function describeAddresses(addresses: Record<string, string>): string {
  const shown = TRANSPORTS.flatMap((transport) => {
    const address = addresses[transport];
    if (address === undefined) return [];
    return [address.includes("://") ? address : `${transport}://${address}`];
  });
  return shown.join(" ") || "-";
}
