/** Encryption of connections to the stores: reads the files that a section of the settings names, once at start. */
import { readFileSync } from "node:fs";
import { SettingsError } from "../settings-error";
import type { Settings } from "../settings-schema";

/** Options of Node's TLS; the clients of all three stores accept them. */
export interface TlsFiles {
  ca?: string;
  cert?: string;
  key?: string;
  /** Whether the server's certificate must be valid and belong to its host. */
  rejectUnauthorized: boolean;
}

/**
 * @param path of the section, for messages: `mysql.tls`
 * @returns undefined when the settings ask for no encryption
 * @throws SettingsError that names the file that cannot be read, or a setting that has no effect by itself
 */
export function readTls(path: string, settings: Settings["mysql"]["tls"]): TlsFiles | undefined {
  if (settings === undefined) return undefined;
  const { enabled, caFile, certFile, keyFile, verify } = settings;
  if (!enabled) {
    const idle = Object.entries({ caFile, certFile, keyFile }).find(([, file]) => file !== undefined);
    // An unused certificate would mean a connection in plain text that the operator did not want.
    if (idle !== undefined) throw new SettingsError(`${path}.${idle[0]} is set, but ${path}.enabled is false`);
    return undefined;
  }
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new SettingsError(`${path}: certFile and keyFile belong together, and one of them is missing`);
  }
  const read = (name: string, file: string | undefined) => {
    if (file === undefined) return {};
    try {
      return { [name]: readFileSync(file, "utf8") };
    } catch (error) {
      throw new SettingsError(`${path}.${name}File: cannot read ${file}: ${(error as Error).message}`);
    }
  };
  return {
    ...read("ca", caFile),
    ...read("cert", certFile),
    ...read("key", keyFile),
    rejectUnauthorized: verify,
  };
}
