/** How connections to the stores are encrypted: the files that a section of settings names, read once at start. */
import { readFileSync } from "node:fs";
import { SettingsError } from "../settings";
import type { Settings } from "../settings-schema";

/** Options of Node's TLS, which the clients of all three stores take. */
export interface TlsFiles {
  ca?: string;
  cert?: string;
  key?: string;
  /** Whether the server's certificate must be good, and be that of its host. */
  rejectUnauthorized: boolean;
}

/**
 * @param path of the section, for messages: `mysql.tls`
 * @returns undefined when these settings ask for no encryption
 * @throws SettingsError naming the file that cannot be read, or a setting that does nothing by itself
 */
export function readTls(path: string, settings: Settings["mysql"]["tls"]): TlsFiles | undefined {
  if (settings === undefined) return undefined;
  const { enabled, caFile, certFile, keyFile, verify } = settings;
  if (!enabled) {
    const idle = Object.entries({ caFile, certFile, keyFile }).find(([, file]) => file !== undefined);
    // A certificate that is named and not used is a connection in plain text that nobody wanted.
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
