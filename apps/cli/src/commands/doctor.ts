/** `carillon doctor`: checks that servers, settings and processes are what the guarantees need, and says what to do if not. */
import type { Command } from "commander";
import { type Cluster, withCluster } from "../cluster/open-cluster";
import { type CommonOptions, clusterCommand } from "../command";
import type { Check, CheckResult } from "../doctor/check";
import { checkDeadLetters, checkLayout, checkNodes, checkPartitions } from "../doctor/cluster-checks";
import { checkAccounts, checkClocks, checkEncryption, checkMetricsAccess, checkSecret } from "../doctor/machine-checks";
import { checkMysql, checkNats, checkNatsCluster, checkRedis, checkTables } from "../doctor/server-checks";
import { EXIT } from "../output/failures";
import { colours as pc, print } from "../output/print";

interface DoctorDocument {
  /** Nothing is wrong; there may be warnings. */
  ok: boolean;
  checks: Check[];
}

export function doctorCommand(): Command {
  return clusterCommand("doctor", "check servers, settings and processes; exit code 1 if something is wrong").action(
    async ({ data, json }: CommonOptions) => {
      const document = await withCluster(data, (cluster) => examine(cluster, data));
      print(document, json, describe);
      if (!document.ok) process.exitCode = EXIT.failed;
    },
  );
}

async function examine(cluster: Cluster, data: string | undefined): Promise<DoctorDocument> {
  const groups = await Promise.all([
    checkNats(cluster),
    checkNatsCluster(cluster),
    checkRedis(cluster),
    checkMysql(cluster),
    checkTables(cluster),
    checkLayout(cluster),
    checkPartitions(cluster),
    checkDeadLetters(cluster),
    checkNodes(cluster),
    checkSecret(data),
    checkAccounts(data),
    checkMetricsAccess(data),
    checkEncryption(data),
  ]);
  // Last and alone: other work would distort the measurement of clocks.
  const checks = [...groups.flat(), ...(await checkClocks(cluster))];
  return { ok: checks.every(({ result }) => result !== "wrong"), checks };
}

const COLOURS: Record<CheckResult, (text: string) => string> = {
  ok: pc.green,
  warning: pc.yellow,
  wrong: pc.red,
  "not checked": pc.dim,
};

function describe({ ok, checks }: DoctorDocument): string {
  const lines = checks.map(({ name, result, text, advice }) => {
    const head = `${COLOURS[result](result.padEnd(11))}  ${name}: ${text}`;
    return advice === undefined ? `${head}\n` : `${head}\n             ${advice}\n`;
  });
  return `${lines.join("")}${ok ? "nothing is wrong" : "something is wrong"}\n`;
}
