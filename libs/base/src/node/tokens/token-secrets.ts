/**
 * The secrets that sign access tokens. There are several during a rotation: every process verifies with all of them, and signs
 * with the newest whose time has come. So every process knows a new secret before the first token is signed with it, if the time
 * lies far enough ahead, and tokens of a former secret live to their own end.
 *
 * The clocks of machines differ. That is why `since` says when a secret begins to sign, and not when its tokens begin to be good.
 */
import { createHash } from "node:crypto";
import { SettingsError } from "../settings-error";
import type { Settings } from "../settings-schema";

export interface TokenSecret {
  /** Its public name, which stands in the header of each token. */
  kid: string;
  secret: string;
  /** When it begins to sign, ms since the Unix epoch. */
  since: number;
  /** When its tokens are void, ms since the Unix epoch; infinity: never. */
  until: number;
}

/** The name of a secret that the settings give none: it shows nothing of a secret that is random. 12 characters. */
export function kidOf(secret: string): string {
  return createHash("sha256").update(`the name of ${secret}`).digest("base64url").slice(0, 12);
}

/**
 * The secrets of the settings, the first to sign first; `auth.secret` is one that signs since ever.
 * @throws SettingsError when a name stands twice, when a time is none, or when at some time from now on no secret would sign
 */
export function secretsOf({ secret, secrets }: Pick<Settings["auth"], "secret" | "secrets">, now: number) {
  const all = secrets.map((each, i): TokenSecret => {
    const at = `auth.secrets[${i}]`;
    const since = each.since === undefined ? 0 : timeOf(`${at}.since`, each.since);
    const until = each.until === undefined ? Number.POSITIVE_INFINITY : timeOf(`${at}.until`, each.until);
    return { kid: each.kid, secret: each.secret, since, until };
  });
  if (secret !== undefined && !all.some((each) => each.secret === secret)) {
    all.unshift({ kid: kidOf(secret), secret, since: 0, until: Number.POSITIVE_INFINITY });
  }
  const twice = all.find(({ kid }, i) => all.findIndex((other) => other.kid === kid) !== i);
  if (twice !== undefined) throw new SettingsError(`auth.secrets: two secrets have the name ${twice.kid}`);
  all.sort((a, b) => a.since - b.since);
  refuseGap(all, now);
  return all;
}

function timeOf(setting: string, text: string): number {
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw new SettingsError(`${setting}: ${text} is no time`);
  return time;
}

function refuseGap(all: readonly TokenSecret[], now: number): void {
  for (let time = now; time < Number.POSITIVE_INFINITY; ) {
    const last = Math.max(...all.filter(({ since, until }) => since <= time && until > time).map(({ until }) => until));
    if (last === Number.NEGATIVE_INFINITY) {
      throw new SettingsError(`auth.secrets: no secret signs tokens at ${new Date(time).toISOString()}`);
    }
    time = last;
  }
}

export class TokenSecrets {
  /** @param all as `secretsOf` returns them */
  constructor(
    private all: readonly TokenSecret[],
    private readonly now: () => number = Date.now,
  ) {}

  /** Takes over the secrets of a file that was read again. */
  replace(all: readonly TokenSecret[]): void {
    this.all = all;
  }

  /** The secret that signs at this moment. */
  get signing(): TokenSecret {
    const now = this.now();
    const { all } = this;
    const signing = all.findLast(({ since, until }) => since <= now && until > now);
    if (signing === undefined) throw new Error("auth.secrets: no secret signs tokens now");
    return signing;
  }

  /** The secrets that may have signed a token of this name; without a name, all. Also those that are over. */
  named(kid: unknown): readonly TokenSecret[] {
    return kid === undefined ? this.all : this.all.filter((each) => each.kid === kid);
  }

  /** Whether the tokens of this secret are void. */
  isOver({ until }: TokenSecret): boolean {
    return this.now() >= until;
  }
}
