/** What all commands have in common: where the cluster is, and how the answer is printed. */
import { Command, InvalidArgumentError } from "commander";

export interface CommonOptions {
  data?: string;
  json?: boolean;
}

/** A command that looks into a cluster. */
export function clusterCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option("--data <dir>", "data directory of the cluster (default: CARILLON_DATA, or ./.carillon)")
    .option("--json", "print one JSON document");
}

/** A whole number from 1 on. */
export function parseCount(text: string): number {
  const number = Number(text);
  if (/^\d{1,9}$/.test(text) && number >= 1) return number;
  throw new InvalidArgumentError("must be a whole number from 1 on");
}
