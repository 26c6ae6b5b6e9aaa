/** Access to schemas/, for the tests that compare the code with it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadSchemas } from "../../../scripts/generate/schemas";

/** The root of the repository. */
export const root = join(__dirname, "../../..");

export const schemas = loadSchemas(join(root, "schemas"));

/** The samples of one file in schemas/golden. */
export function golden<T>(file: string): T[] {
  return JSON.parse(readFileSync(join(root, "schemas/golden", file), "utf8")).samples;
}

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** A sample of frames.json. */
export interface GoldenFrame {
  name: string;
  from: "client" | "server";
  number: number;
  json: { command: string; requestId: number; payload: Record<string, unknown> };
  hex: string;
}
