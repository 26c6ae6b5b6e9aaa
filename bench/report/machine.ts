import { cpus } from "node:os";

/** The machine on which a result was measured. */
export interface Machine {
  cores: number;
  model: string | undefined;
  node: string;
}

export function describeMachine(): Machine {
  return { cores: cpus().length, model: cpus()[0]?.model, node: process.version };
}
