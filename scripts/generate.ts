/**
 * Writes libs/protocol/src/generated/*.ts and docs/errors.md from schemas/*.json, and docs/configuration.md from the
 * schema of the settings, and the routes of docs/api.md from those of the api.
 *
 *   npm run generate             write what differs
 *   npm run generate -- --check  write nothing, exit 1 and name the files that differ
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { commandLine } from "@carillon/base/command-line";
import { renderApiPage } from "./generate/api-page";
import { renderConfigurationPage } from "./generate/configuration-page";
import { renderErrorPage } from "./generate/error-page";
import { renderPayloads } from "./generate/payload-types";
import { loadSchemas } from "./generate/schemas";
import { renderShapes } from "./generate/shapes";
import { renderCloseCodes, renderCommands, renderErrors, renderErrorTable, renderLimits } from "./generate/tables";
import { renderValidators } from "./generate/validators";

const generatedFolder = "libs/protocol/src/generated";

/**
 * Renders all generated files from the schemas under `root` and the settings of this checkout.
 * @returns path relative to root -> text
 * @throws Error when the schemas contradict themselves (a number or name used twice, a $ref to nothing, ...)
 */
export function renderAll(root: string): Map<string, string> {
  const schemas = loadSchemas(join(root, "schemas"));
  return new Map([
    [`${generatedFolder}/commands.ts`, renderCommands(schemas)],
    [`${generatedFolder}/payloads.ts`, renderPayloads(schemas)],
    [`${generatedFolder}/validators.ts`, renderValidators(schemas)],
    [`${generatedFolder}/shapes.ts`, renderShapes(schemas)],
    [`${generatedFolder}/errors.ts`, renderErrors(schemas)],
    [`${generatedFolder}/error-table.ts`, renderErrorTable(schemas)],
    [`${generatedFolder}/close-codes.ts`, renderCloseCodes(schemas)],
    [`${generatedFolder}/limits.ts`, renderLimits(schemas)],
    ["docs/errors.md", renderErrorPage(schemas)],
    ["docs/configuration.md", renderConfigurationPage()],
  ]);
}

/** @returns paths of the rendered files that are missing under `root` or differ there */
export function drift(root: string, rendered = renderAll(root)): string[] {
  return [...rendered].filter(([path, text]) => readOrNothing(join(root, path)) !== text).map(([path]) => path);
}

function readOrNothing(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

/** Renders the routes of docs/api.md. This creates a server, which takes a moment. */
export async function renderRoutes(root: string): Promise<[path: string, text: string]> {
  const path = "docs/api.md";
  return [path, await renderApiPage(readFileSync(join(root, path), "utf8"))];
}

async function main(): Promise<number> {
  const { check } = commandLine(
    "npm run generate --",
    "Writes the generated files from the schemas, settings and routes.",
  )
    .option("--check", "write nothing; exit code 1 and the names of the files that differ")
    .parse()
    .opts<{ check?: boolean }>();
  const root = resolve(__dirname, "..");
  const rendered = renderAll(root);
  if (check) {
    const stale = drift(root, new Map([...rendered, await renderRoutes(root)]));
    for (const path of stale) console.error(`${path} is not up to date: run npm run generate`);
    return stale.length === 0 ? 0 : 1;
  }
  const isProtocolNew = write(root, rendered).some((path) => path.startsWith(generatedFolder));
  // The routes come from the built api, which may use new parts of the protocol.
  if (isProtocolNew)
    execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-b", "libs/protocol"], {
      cwd: root,
    });
  write(root, new Map([await renderRoutes(root)]));
  return 0;
}

/** @returns paths of the files that changed */
function write(root: string, rendered: Map<string, string>): string[] {
  const stale = drift(root, rendered);
  for (const path of stale) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), rendered.get(path) as string);
    console.log(`wrote ${path}`);
  }
  return stale;
}

if (require.main === module) {
  void main().then((code) => {
    process.exitCode = code;
  });
}
