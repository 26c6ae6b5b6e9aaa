import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import type { TSchema } from "typebox";
import { Value } from "typebox/value";
import { allowFailPoints, armFailPoint } from "./fail-point";
import { WatchedFiles } from "./files/watched-files";
import type { Logger } from "./logger";
import { forbiddenLinks } from "./net/plain-links";
import { SettingsError } from "./settings-error";
import { type Settings, settingsSchema } from "./settings-schema";
import { secretsOf, type TokenSecrets } from "./tokens/token-secrets";

/** Variables of Carillon that are no settings: places of files, and the fail points of tests. */
const OTHER_VARIABLES = new Set(["CARILLON_CONFIG", "CARILLON_DATA", "CARILLON_FAILPOINT"]);

/** Sections that had another name in the previous version: the old name is still read, with a warning. */
const RENAMED_SECTIONS = { logic: "worker" } as const;

/** The key that signs tokens when the operator named none. It is public. */
export const DEVELOPMENT_SECRET = "carillon-development-secret-not-for-production";

/** One setting: `path` as in carillon.json, `variable` as in the environment. */
export interface SettingDescription {
  path: string;
  variable: string;
  type: string;
  fallback: unknown;
  description: string;
  secret: boolean;
}

/**
 * Reads `carillon.json` (named by CARILLON_CONFIG; without it only defaults count), then the CARILLON_ variables.
 * @returns the frozen settings
 * @param warn gets one line for each setting that the operator should change; default: standard error
 * @throws SettingsError that names the key and its place: unknown key, wrong value, missing secret
 */
export function loadSettings(
  environment: NodeJS.ProcessEnv = process.env,
  warn: (line: string) => void = (line) => process.stderr.write(`carillon: ${line}\n`),
): Settings {
  const settings = readSettings(environment, warn);
  armByVariable(environment);
  return settings;
}

function readSettings(environment: NodeJS.ProcessEnv, warn: (line: string) => void): Settings {
  const file = environment["CARILLON_CONFIG"];
  const raw = file === undefined ? {} : renameSections(readJson(file), `in ${file}`, warn);
  const origins = new Map<string, string>();
  applyVariables(raw, renameVariables(environment, warn), origins);
  const settings = Value.Default(settingsSchema, raw) as Settings;
  const fault = Value.Errors(settingsSchema, settings).find((error) => error.message !== "schema is false");
  if (fault !== undefined) throw new SettingsError(explain(fault, file, origins));
  completeSecrets(settings, file ?? "CARILLON_AUTH_SECRET");
  if (settings.mode === "production" && !settings.allowPlainLinks) refusePlainLinks(settings);
  return deepFreeze(settings);
}

/** @throws SettingsError */
function completeSecrets({ mode, auth }: Settings, place: string): void {
  const isMissing = auth.secret === undefined && auth.secrets.length === 0;
  if (mode === "production" && isMissing) {
    throw new SettingsError(`auth.secret is missing: production mode needs one (${place})`);
  }
  if (isMissing) auth.secret = DEVELOPMENT_SECRET;
  const all = secretsOf(auth, Date.now());
  if (mode === "production" && all.some(({ secret }) => secret === DEVELOPMENT_SECRET)) {
    throw new SettingsError(
      `auth.secret is the public secret of development, which production mode refuses (${place})`,
    );
  }
}

/**
 * Makes the secrets follow the settings: they are read again when `carillon.json` changes, and on SIGHUP.
 * @returns undefined when there is no such file
 */
export function followSecrets(
  secrets: TokenSecrets,
  logger: Pick<Logger, "info" | "error">,
  environment: NodeJS.ProcessEnv = process.env,
): WatchedFiles | undefined {
  const file = environment["CARILLON_CONFIG"];
  if (file === undefined) return undefined;
  const read = () => secrets.replace(secretsOf(readSettings(environment, () => {}).auth, Date.now()));
  return new WatchedFiles({ what: "the secrets of tokens", files: [file], logger, read });
}

/** @throws SettingsError */
function refusePlainLinks(settings: Settings): void {
  const names = new Set(forbiddenLinks(settings).map(({ name, host }) => `${name} (${host})`));
  if (names.size === 0) return;
  throw new SettingsError(
    `production mode refuses links that are not encrypted: ${[...names].join(", ")}. Set their tls, or allowPlainLinks: true if nobody else can reach them`,
  );
}

function armByVariable(environment: NodeJS.ProcessEnv): void {
  if (environment["NODE_ENV"] === "test") allowFailPoints();
  const text = environment["CARILLON_FAILPOINT"];
  if (text === undefined || text === "") return;
  try {
    armFailPoint(text, false);
  } catch (error) {
    throw new SettingsError(`CARILLON_FAILPOINT: ${(error as Error).message}`);
  }
}

/** The node's own name: the setting, or role and host name. */
export function nodeIdOf(settings: Settings, role: string): string {
  return settings.nodeId ?? `${role}-${hostname().replace(/[^A-Za-z0-9_-]/g, "-")}`.slice(0, 64);
}

/** Every setting in the order of the schema, for the documentation and for `carillon config`. */
export function describeSettings(): SettingDescription[] {
  return [...leaves(root, [])].map(({ path, schema }) => ({
    path: path.join("."),
    variable: variableOf(path),
    type: typeOf(schema),
    fallback: schema["default"],
    description: String(schema["description"] ?? ""),
    secret: schema["secret"] === true,
  }));
}

type Schema = TSchema & Record<string, unknown>;

const root = settingsSchema as unknown as Schema;

function* leaves(schema: Schema, path: string[]): Generator<{ path: string[]; schema: Schema }> {
  for (const [key, child] of Object.entries(schema["properties"] as Record<string, Schema>)) {
    if (child["properties"] === undefined) yield { path: [...path, key], schema: child };
    else yield* leaves(child, [...path, key]);
  }
}

function variableOf(path: string[]): string {
  return `CARILLON_${path.map((part) => part.replace(/([A-Z])/g, "_$1").toUpperCase()).join("_")}`;
}

function typeOf(schema: Schema): string {
  const choices = schema["enum"] as unknown[] | undefined;
  return choices === undefined ? String(schema["type"]) : choices.join(" or ");
}

function readJson(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new SettingsError(`cannot read ${file}: ${(error as Error).message}`);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    throw new SettingsError(`${file} is not JSON: ${(error as Error).message}`);
  }
  throw new SettingsError(`${file} must hold a JSON object`);
}

/** @returns the settings with sections under their new names; a key under both names has the value under the new name */
function renameSections(raw: Record<string, unknown>, where: string, warn: (line: string) => void) {
  const renamed = { ...raw };
  for (const [old, now] of Object.entries(RENAMED_SECTIONS)) {
    const section = renamed[old];
    if (section === undefined) continue;
    const { [now]: present = {} } = renamed;
    if (!isSection(section)) throw new SettingsError(`wrong value of ${old} ${where}: must be an object`);
    if (!isSection(present)) throw new SettingsError(`wrong value of ${now} ${where}: must be an object`);
    delete renamed[old];
    renamed[now] = { ...section, ...present };
    warn(`the section "${old}" ${where} is called "${now}" now; the next version will not know the old name`);
  }
  return renamed;
}

const isSection = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function renameVariables(environment: NodeJS.ProcessEnv, warn: (line: string) => void): NodeJS.ProcessEnv {
  const renamed: NodeJS.ProcessEnv = { ...environment };
  for (const [variable, text] of Object.entries(environment)) {
    for (const [old, now] of Object.entries(RENAMED_SECTIONS)) {
      const prefix = `CARILLON_${old.toUpperCase()}_`;
      if (!variable.startsWith(prefix)) continue;
      const name = `CARILLON_${now.toUpperCase()}_${variable.slice(prefix.length)}`;
      delete renamed[variable];
      renamed[name] ??= text;
      warn(`${variable} is called ${name} now; the next version will not know the old name`);
    }
  }
  return renamed;
}

function applyVariables(raw: Record<string, unknown>, environment: NodeJS.ProcessEnv, origins: Map<string, string>) {
  const known = new Map([...leaves(root, [])].map((leaf) => [variableOf(leaf.path), leaf]));
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith("CARILLON_") || OTHER_VARIABLES.has(variable) || text === undefined) continue;
    const leaf = known.get(variable);
    if (leaf === undefined) throw new SettingsError(`unknown setting in the environment: ${variable}`);
    let place = raw;
    for (const part of leaf.path.slice(0, -1)) {
      place[part] ??= {};
      place = place[part] as Record<string, unknown>;
    }
    place[leaf.path.at(-1)!] = parseText(text, leaf.schema);
    origins.set(leaf.path.join("."), variable);
  }
}

/** Converts the text of a variable to the schema's type. A text that does not fit stays text, and the check refuses it. */
function parseText(text: string, schema: Schema): unknown {
  if (schema["type"] === "array") return parseList(text, schema["items"] as Schema);
  if (schema["type"] === "boolean" && /^(true|false)$/.test(text)) return text === "true";
  const numeric = schema["type"] === "integer" || (schema["enum"] as unknown[] | undefined)?.every(Number.isFinite);
  return numeric && /^-?\d+$/.test(text) ? Number(text) : text;
}

/** Texts separated by commas; a list of objects as JSON. */
function parseList(text: string, items: Schema): unknown {
  if (items["type"] !== "object") return text.split(",").map((item) => item.trim());
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

interface Fault {
  instancePath: string;
  message: string;
  keyword: string;
  params: object;
}

function explain(fault: Fault, file: string | undefined, origins: Map<string, string>): string {
  const path = fault.instancePath.slice(1).replaceAll("/", ".");
  const where = origins.get(path) ?? file ?? "the defaults";
  if (fault.keyword === "additionalProperties") {
    const keys = (fault.params as { additionalProperties: string[] }).additionalProperties;
    const full = keys.map((key) => (path === "" ? key : `${path}.${key}`));
    return `unknown setting ${full.join(", ")} in ${where}`;
  }
  const choices = (fault.params as { allowedValues?: unknown[] }).allowedValues;
  return `wrong value of ${path} in ${where}: ${choices ? `must be one of ${choices.join(", ")}` : fault.message}`;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const child of Object.values(value)) deepFreeze(child);
    Object.freeze(value);
  }
  return value;
}

/** Loads a configuration. When it cannot be used, the process writes the reason to standard error and exits. */
export function loadOrExit<T>(load: () => T): T {
  try {
    return load();
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    process.stderr.write(`carillon: ${error.message}\n`);
    process.exit(1);
  }
}
