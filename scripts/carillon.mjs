#!/usr/bin/env node
// Runs the built CLI in this process, so that signals, the terminal and the exit code need no forwarding.
import { existsSync } from "node:fs";
import Module from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const program = path.join(root, "apps", "cli", "dist", "main.js");
if (!existsSync(program)) {
  process.stderr.write("the CLI is not built yet: run npm start, or npm ci and npm run build\n");
  process.exit(1);
}
process.argv[1] = program;
Module.runMain();
