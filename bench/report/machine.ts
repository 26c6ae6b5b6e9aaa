import { cpus } from "node:os";

/** On what a result was made. */
export interface Machine {
  cores: number;
  model: string | undefined;
  node: string;
}

export function describeMachine(): Machine {
  return { cores: cpus().length, model: cpus()[0]?.model, node: process.version };
}
