/**
 * The one place that decides how MySQL is reached: the pools and TypeORM get the same address and the same encryption. By
 * themselves the two libraries read addresses differently: only one of them understood `?ssl=`, and the server refused the other.
 */
import { readTls, type Settings, SettingsError, type TlsFiles } from "@carillon/base/node";
import type { ConnectionOptions } from "mysql2";
import type { DataSourceOptions } from "typeorm";

export type MysqlAddress = Pick<Settings["mysql"], "url" | "tls">;

const CONNECT_MS = 5_000;
const CHARSET = "utf8mb4_bin";
const DEFAULT_PORT = 3_306;

type Ssl = NonNullable<Exclude<ConnectionOptions["ssl"], string>>;

/** Meanings of `ssl=` in an address, besides a JSON object of the driver's own options. */
const SSL_WORDS: Record<string, Ssl | undefined> = {
  false: undefined,
  true: {},
  verify: {},
  "no-verify": { rejectUnauthorized: false },
};

/**
 * Returns the options of the driver's connections.
 * @throws SettingsError when the address is invalid, or has an unknown option
 */
export function connectionOptions({ url, tls }: MysqlAddress) {
  const address = parse(url);
  const ssl = sslOf(address, readTls("mysql.tls", tls));
  return {
    host: decodeURIComponent(address.hostname.replace(/^\[|\]$/g, "")),
    port: address.port === "" ? DEFAULT_PORT : Number(address.port),
    user: decodeURIComponent(address.username),
    password: decodeURIComponent(address.password),
    database: decodeURIComponent(address.pathname.slice(1)),
    connectTimeout: CONNECT_MS,
    charset: CHARSET,
    ...(ssl === undefined ? {} : { ssl }),
  };
}

/** The same for TypeORM. @throws as `connectionOptions` */
export function dataSourceOptions(settings: MysqlAddress): DataSourceOptions & { type: "mysql" } {
  const { user, connectTimeout, ...same } = connectionOptions(settings);
  return { type: "mysql", ...same, username: user, connectTimeout, timezone: "Z" };
}

function parse(url: string): URL {
  let address: URL;
  try {
    address = new URL(url);
  } catch {
    // The message does not contain the address, because that contains the password.
    throw new SettingsError("mysql.url: this is no address; the form is mysql://user:password@host:port/database");
  }
  if (address.protocol !== "mysql:" && address.protocol !== "mariadb:") {
    throw new SettingsError(`mysql.url: the address must begin with mysql://, not with ${address.protocol}//`);
  }
  const unknown = [...address.searchParams.keys()].filter((key) => key !== "ssl");
  if (unknown.length > 0) throw new SettingsError(`mysql.url: unknown option ${unknown[0]}; only ssl is supported`);
  return address;
}

/** Combines the TLS settings with the address; the settings take precedence. */
function sslOf(address: URL, tls: TlsFiles | undefined): Ssl | undefined {
  if (tls !== undefined) return tls;
  const asked = address.searchParams.get("ssl");
  if (asked === null) return undefined;
  if (asked in SSL_WORDS) return SSL_WORDS[asked];
  try {
    const options: unknown = JSON.parse(asked);
    if (typeof options === "object" && options !== null && !Array.isArray(options)) return options;
  } catch {
    // The error is thrown below.
  }
  throw new SettingsError("mysql.url: ssl must be true, false, verify, no-verify, or the driver's options as JSON");
}
