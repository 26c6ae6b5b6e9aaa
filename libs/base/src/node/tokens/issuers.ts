/**
 * Access tokens of other issuers: JWTs that the operator's own log-in signs with a private key that Carillon never sees. Their
 * claims: `iss`, `sub` (the user's id), `deviceId`, `platform`, `exp` (within a day, or within the time of the settings), and
 * `aud`, if the settings name one. The user must exist. Whether they may connect is checked when their session is opened, as for
 * Carillon's own tokens.
 */

import { WatchedFiles } from "../files/watched-files";
import type { Logger } from "../logger";
import { SettingsError } from "../settings-error";
import type { Settings } from "../settings-schema";
import { hasExpired, type Verdict } from "./access-token";
import {
  type IssuerKey,
  issuerAlgorithms,
  type KeyRules,
  keysNamed,
  LEEWAY_MS,
  readJwksFile,
  readKeyFile,
} from "./issuer-keys";
import { JwksUrl } from "./jwks-url";

export type IssuerSettings = Settings["auth"]["issuers"][number];

const DAY_SECONDS = 86_400;

const USER_ID = /^[A-Za-z0-9_][A-Za-z0-9_.@|+-]{0,63}$/;
const DEVICE_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/** Where the keys of an issuer come from. */
interface KeySource {
  /** The keys of this name; undefined: all. */
  named(kid: unknown): readonly IssuerKey[] | "unavailable";
  stop(): void;
}

/** The issuers of the settings. Their files are read when it is made; URLs are fetched later, so that a process can start. */
export class Issuers {
  private readonly all = new Map<unknown, Issuer>();

  /** @throws SettingsError that names the issuer, or the file that cannot be read or contains no key */
  constructor(settings: readonly IssuerSettings[], logger: Logger) {
    for (const each of settings) {
      if (this.all.has(each.issuer)) throw new SettingsError(`auth.issuers: ${each.issuer} stands there twice`);
      this.all.set(each.issuer, new Issuer(each, logger));
    }
  }

  /** @param iss the claim of a token */
  of(iss: unknown): Issuer | undefined {
    return this.all.get(iss);
  }

  stop(): void {
    for (const issuer of this.all.values()) issuer.stop();
  }
}

class Issuer {
  private readonly keys: KeySource;

  constructor(
    private readonly settings: IssuerSettings,
    logger: Logger,
  ) {
    this.keys = keySource(settings, logger);
  }

  verify(token: string, kid: unknown): Verdict {
    const keys = this.keys.named(kid);
    if (keys === "unavailable") return "unavailable";
    for (const key of keys) {
      try {
        return this.judge(key.verify(token));
      } catch (error) {
        if (hasExpired(error)) return "expired";
      }
    }
    return "invalid";
  }

  stop(): void {
    this.keys.stop();
  }

  private judge({ sub, deviceId, platform, exp, iat }: Record<string, unknown>): Verdict {
    const { maxTokenSeconds = DAY_SECONDS, operators = false } = this.settings;
    const now = Date.now();
    if (typeof sub !== "string" || !USER_ID.test(sub)) return "invalid";
    if (typeof deviceId !== "string" || !DEVICE_ID.test(deviceId)) return "invalid";
    if (typeof platform !== "string" || typeof exp !== "number") return "invalid";
    if (iat !== undefined && !(typeof iat === "number" && iat * 1_000 <= now + LEEWAY_MS)) return "invalid";
    // Nobody can revoke such a token.
    if (exp * 1_000 > now + maxTokenSeconds * 1_000) return "invalid";
    return { userId: sub, deviceId, platform, expiresAt: exp * 1_000, mayOperate: operators };
  }
}

/** @throws SettingsError */
function keySource(settings: IssuerSettings, logger: Logger): KeySource {
  const { issuer, audience, publicKeyFile, jwksFile, jwksUrl, algorithms = issuerAlgorithms } = settings;
  const rules: KeyRules = { issuer, audience, algorithms };
  const given = [publicKeyFile, jwksFile, jwksUrl].filter((source) => source !== undefined);
  if (given.length !== 1) {
    throw new SettingsError(`auth.issuers: ${issuer} needs one of publicKeyFile, jwksFile and jwksUrl`);
  }
  if (publicKeyFile !== undefined) return new KeyFile(publicKeyFile, rules, readKeyFile, logger);
  if (jwksFile !== undefined) return new KeyFile(jwksFile, rules, readJwksFile, logger);
  return new JwksUrl({ url: jwksUrl!, rules, logger, monotonic: () => performance.now() });
}

/** The keys of a file, which is read again when it changes. */
class KeyFile implements KeySource {
  private keys: readonly IssuerKey[];
  private readonly watched: WatchedFiles;

  constructor(file: string, rules: KeyRules, read: typeof readKeyFile, logger: Logger) {
    this.keys = read(file, rules);
    this.watched = new WatchedFiles({
      what: `the key of ${rules.issuer}`,
      files: [file],
      logger,
      read: () => {
        this.keys = read(file, rules);
      },
    });
  }

  named(kid: unknown): readonly IssuerKey[] {
    return keysNamed(this.keys, kid);
  }

  stop(): void {
    this.watched.stop();
  }
}
