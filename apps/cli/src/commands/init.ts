/** `carillon init`: creates streams, layout and tables. Running it again changes nothing and does no harm. */
import { wholeNumber } from "@carillon/base/command-line";
import { silentLogger } from "@carillon/base/node";
import { connectBus, createLayout, readLayout } from "@carillon/bus";
import { migrate } from "@carillon/store";
import { Command } from "commander";
import { type CliConfig, loadConfig } from "../config";
import { print } from "../output/print";

/** A snowflake has ten bits for the partition. */
const MOST_PARTITIONS = 1024;

export interface InitResult {
  partitions: number;
  /** Whether this call created the layout; false: it existed. */
  layoutCreated: boolean;
  /** Names of the migrations that this call ran. */
  migrations: string[];
}

/**
 * Creates streams, layout and tables, or brings them up to date. Several calls may run at once.
 * @param partitions wanted number; undefined: the number of the cluster, or 2 for a new cluster
 * @throws Error whose message tells the operator what to do
 */
export async function initialise(config: CliConfig, partitions?: number): Promise<InitResult> {
  const logger = silentLogger();
  const bus = await connectBus({ settings: config.nats, name: "carillon-init", logger });
  try {
    const before = await readLayout(bus).catch(() => undefined);
    const layout = await createLayout(bus, config.nats, partitions);
    const { ran } = await migrate(config.mysql, logger);
    return { partitions: layout.partitions, layoutCreated: before === undefined, migrations: ran };
  } finally {
    await bus.close();
  }
}

export function initCommand(): Command {
  return new Command("init")
    .description("create streams, layout and tables, or bring them up to date")
    .option(
      "--partitions <n>",
      "number of partitions; fixed at the first run (default 2)",
      wholeNumber(1, MOST_PARTITIONS),
    )
    .option("--data <dir>", "data directory of the cluster (default: CARILLON_CONFIG, or the environment)")
    .option("--json", "print the result as one line of JSON")
    .action(async ({ partitions, data, json }: { partitions?: number; data?: string; json?: boolean }) => {
      const result = await initialise(loadConfig(data), partitions);
      print(result, json, describe);
    });
}

function describe({ partitions, layoutCreated, migrations }: InitResult): string {
  const layout = `${partitions} partition${partitions === 1 ? "" : "s"}`;
  return [
    layoutCreated ? `streams and layout created: ${layout}` : `streams and layout exist: ${layout}`,
    migrations.length > 0 ? `schema: ${migrations.length} migrations run` : "schema: up to date",
    "",
  ].join("\n");
}
