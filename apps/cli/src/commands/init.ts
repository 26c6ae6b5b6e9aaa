/**
 * `carillon init`: creates streams, layout and tables, and gives the roles their rights on the tables. Running it again changes
 * nothing and does no harm.
 */
import { ACCOUNT_ROLES } from "@carillon/base";
import { wholeNumber } from "@carillon/base/command-line";
import { silentLogger } from "@carillon/base/node";
import { type Bus, connectBus, createLayout, readLayout } from "@carillon/bus";
import { openCoordination } from "@carillon/coordination";
import { mysqlGrants } from "@carillon/grants";
import { migrate, runStatements } from "@carillon/store";
import { Command } from "commander";
import { type CliConfig, loadConfig } from "../config";
import { print } from "../output/print";
import { describeGrants, newGrants } from "../setup/grants";

/** A snowflake has ten bits for the partition. */
const MOST_PARTITIONS = 1024;

/** Of a new cluster, as `createLayout` has it. */
const USUAL_PARTITIONS = 2;

interface InitOptions {
  partitions?: number;
  data?: string;
  printGrants?: boolean;
  json?: boolean;
}

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
    await createBuckets(bus, config);
    const { ran } = await migrate(config.mysql, logger);
    const roles = ACCOUNT_ROLES.filter((role) => config.accounts[role] !== undefined);
    await runStatements(config.mysql, mysqlGrants(roles));
    return { partitions: layout.partitions, layoutCreated: before === undefined, migrations: ran };
  } finally {
    await bus.close();
  }
}

/** Before any node runs: the first node could create them otherwise, with a definition of its choice. */
async function createBuckets({ connection, logger }: Bus, { nats }: CliConfig): Promise<void> {
  const coordination = await openCoordination({ connection, logger, replicas: nats.replicas });
  await coordination.close();
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
    .option("--print-grants", "only print what gives each role an account at NATS, Redis and MySQL")
    .option("--json", "print the result as one line of JSON")
    .action(async ({ partitions, data, printGrants, json }: InitOptions) => {
      const config = loadConfig(data);
      if (printGrants === true) print(newGrants(config, partitions ?? USUAL_PARTITIONS), json, describeGrants);
      else print(await initialise(config, partitions), json, describe);
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
