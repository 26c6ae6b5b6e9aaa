/** The software bill of materials names what runs in production, and nothing else. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { readSbom, type Sbom } from "./sbom";

const root = path.dirname(__dirname);
let sbom: Sbom;
beforeAll(() => {
  sbom = readSbom(root);
});

/** Packages that the lock knows no licence of: an old form of its manifest, and binaries of other platforms. */
const WITHOUT_LICENCE = /^(simple-lru-cache|@node-rs\/argon2-.*)$/;

test("it is CycloneDX, and every package has what a scanner looks for", () => {
  expect(sbom).toMatchObject({ bomFormat: "CycloneDX", metadata: { component: { name: "carillon" } } });
  expect(Number(sbom.specVersion)).toBeGreaterThanOrEqual(1.5);
  for (const { name, version, purl, licenses = [] } of sbom.components) {
    expect([name, purl]).toEqual([name, `pkg:npm/${name.replace("@", "%40")}@${version}`]);
    if (!WITHOUT_LICENCE.test(name)) expect([name, licenses.length]).toEqual([name, 1]);
  }
  const refs = new Set([sbom.metadata.component, ...sbom.components].map((component) => component["bom-ref"]));
  const named = sbom.dependencies.flatMap(({ ref, dependsOn }) => [ref, ...dependsOn]);
  expect(named.filter((ref) => !refs.has(ref))).toEqual([]);
});

test("it names our packages and all that they need, and nothing for development", () => {
  const found = new Set(sbom.components.map((component) => component["bom-ref"]));
  const folders = ["api", "archiver", "base", "bus", "cli", "client", "coordination", "gateway", "local"];
  const ours = [...folders, "operations", "protocol", "store", "worker"].map((name) => `@carillon/${name}@0.1.0`);
  for (const ref of ours) expect(found).toContain(ref);
  const names = sbom.components.map(({ name }) => name);
  for (const [name, wanted] of sbom.components.flatMap(needsOf))
    expect([name, wanted, names.includes(wanted)]).toEqual([name, wanted, true]);
  for (const name of ["@carillon/testkit", "jest", "typescript", "oidc-provider", "koa"]) {
    expect(names).not.toContain(name);
  }
});

/** The dependencies in the manifest of a package as it is installed. */
function needsOf({ name, version }: { name: string; version: string }): [name: string, wanted: string][] {
  const manifest = path.join(root, "node_modules", name, "package.json");
  // A binary of another platform is not there; another version may lie elsewhere.
  if (!existsSync(manifest)) return [];
  const { dependencies = {}, version: found } = JSON.parse(readFileSync(manifest, "utf8"));
  if (found !== version) return [];
  return Object.keys(dependencies).map((wanted) => [name, wanted]);
}

test("it names no host of a registry", () => {
  const hosts = [...JSON.stringify(sbom).matchAll(/https?:\/\/([^/"]+)/g)].map(([, host]) => host);
  expect([...new Set(hosts)]).toEqual(["cyclonedx.org"]);
  expect(JSON.stringify(sbom)).not.toContain(root);
});
