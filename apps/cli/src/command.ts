/** The options of all commands: which cluster, and which form of output. */
import { wholeNumber } from "@carillon/base/command-line";
import { Command } from "commander";

export interface CommonOptions {
  data?: string;
  json?: boolean;
}

/** A command with the options that name a cluster and the form of output. */
export function clusterCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option(
      "--data <dir>",
      "data directory of the cluster (default: by CARILLON_CONFIG, CARILLON_DATA or CARILLON_NATS_SERVERS; else ./.carillon)",
    )
    .option("--json", "print one JSON document");
}

/** Parses a whole number of at least 1. */
export const parseCount = wholeNumber(1);
