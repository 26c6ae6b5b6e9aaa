/**
 * Writes the software bill of materials (CycloneDX, JSON): every package that Carillon's processes run with, with version,
 * licence and checksum. It is made from package-lock.json alone, so the network is not needed.
 *
 *   npm run sbom                  write .carillon/sbom.cdx.json
 *   npm run sbom -- --out FILE    write another file
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { commandLine } from "@carillon/base/command-line";

interface Component {
  "bom-ref": string;
  type: string;
  name: string;
  version: string;
  purl: string;
  hashes?: { alg: string; content: string }[];
  licenses?: object[];
  scope?: string;
  properties?: { name: string }[];
}

export interface Sbom {
  bomFormat: string;
  specVersion: string;
  metadata: { component: Component };
  components: Component[];
  dependencies: { ref: string; dependsOn: string[] }[];
}

type LockPackages = Record<string, { name?: string; version?: string; dev?: boolean; link?: boolean }>;

const MOST_BYTES = 64 * 1024 * 1024;

/** npm marks with it what is for development in one of its places, and may be needed by a process in another. */
const DEVELOPMENT = "cdx:npm:package:development";
/** A package of the workspace, but nothing that runs. */
const TEST_KIT = "@carillon/testkit";

/** @param root of the checkout @throws Error when npm fails, with its message */
export function readSbom(root: string): Sbom {
  // `--omit dev` would leave out what the root names as a development dependency, although a process needs it, too.
  const args = ["sbom", "--sbom-format", "cyclonedx", "--package-lock-only"];
  const { npm_execpath: npm } = process.env;
  const isScript = npm !== undefined && /\.c?js$/.test(npm);
  const [program, first] = isScript ? [process.execPath, [npm]] : ["npm", []];
  const options = { cwd: root, encoding: "utf8", maxBuffer: MOST_BYTES, stdio: "pipe" } as const;
  const all = JSON.parse(execFileSync(program, [...first, ...args], options)) as Sbom;
  const { component: product } = all.metadata;
  product.type = "application";
  const running = productionOf(root);
  const components = all.components.filter((component) => running.has(component["bom-ref"])).map(asRunning);
  for (const component of [product, ...components]) component.name = nameOf(component);
  const refs = new Set([product, ...components].map((component) => component["bom-ref"]));
  const dependencies = all.dependencies
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((each) => refs.has(each)) }));
  return { ...all, components, dependencies };
}

/** `name@version` of what the lock does not call `dev`, and of our own packages. */
function productionOf(root: string): Set<string> {
  const lock = JSON.parse(readFileSync(path.join(root, "package-lock.json"), "utf8")) as { packages: LockPackages };
  const entries = Object.entries(lock.packages).flatMap(([place, { name, version, dev, link }]) => {
    const called = name ?? /.*node_modules\/(.+)$/.exec(place)?.[1];
    return dev === true || link === true || called === TEST_KIT ? [] : [`${called}@${version}`];
  });
  return new Set(entries);
}

function asRunning({ properties = [], ...component }: Component): Component {
  const kept = properties.filter(({ name }) => name !== DEVELOPMENT);
  return { ...component, scope: "required", properties: kept };
}

/** npm calls the packages of this repository by their folders. */
function nameOf({ "bom-ref": ref }: Component): string {
  return ref.slice(0, ref.lastIndexOf("@"));
}

function main(): void {
  const root = path.dirname(__dirname);
  const program = commandLine("npm run sbom --", "write the software bill of materials (CycloneDX, JSON)")
    .option("--out <file>", "where to write it", path.join(root, ".carillon", "sbom.cdx.json"))
    .parse();
  const file = path.resolve(program.opts<{ out: string }>().out);
  const sbom = readSbom(root);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(sbom, null, 2)}\n`);
  process.stdout.write(`${sbom.components.length} packages in ${file} (CycloneDX ${sbom.specVersion})\n`);
}

if (require.main === module) main();
