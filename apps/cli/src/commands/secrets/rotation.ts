/** What a rotation makes of the secrets in carillon.json. Pure: clock and secret are passed in. */
import { kidOf, type Settings, secretsOf } from "@carillon/base/node";
import { WrongUse } from "../../output/failures";

/** The section `auth` of carillon.json. */
export type AuthSection = Partial<Settings["auth"]>;

type Entry = Settings["auth"]["secrets"][number];

export interface Rotation {
  /** ms since the Unix epoch. */
  now: number;
  /** When the new secret begins to sign, ms since the Unix epoch. */
  beginsAt: number;
  newSecret: string;
  /** Life of an access token, ms. */
  tokenMs: number;
  /** Whether the tokens of the former secrets are void when the new one begins: for a secret that was stolen. */
  revokes: boolean;
  /** Life of a refresh token, ms: for so long, the successor of one may have been made with a former secret. */
  keepMs: number;
}

/** Time by which tokens of a former secret stay good beyond their life: processes read the file, and have clocks, of their own. */
const MARGIN_MS = 60_000;

/**
 * Adds a secret that signs from `beginsAt` on, ends the others when the last of their tokens is over, and removes those that
 * ended long ago. `auth.secret` becomes an entry of the list.
 * @throws WrongUse when there is no secret, or when one has not begun yet
 */
export function rotate(auth: AuthSection, rotation: Rotation): AuthSection {
  const { now, beginsAt, newSecret, tokenMs, revokes, keepMs } = rotation;
  const { secret, secrets = [], ...rest } = auth;
  const isListed = secrets.some((each) => each.secret === secret);
  const first = secret === undefined || isListed ? [] : [{ kid: kidOf(secret), secret }];
  const all: Entry[] = [...first, ...secrets];
  if (all.length === 0) throw new WrongUse("there is no auth.secret yet: set one first");
  const waiting = all.find(({ since }) => since !== undefined && Date.parse(since) > now);
  if (waiting !== undefined) {
    throw new WrongUse(`the secret ${waiting.kid} begins at ${waiting.since}: rotate again after that`);
  }
  const endsAt = revokes ? beginsAt : beginsAt + tokenMs + MARGIN_MS;
  const former = all
    .filter(({ until }) => until === undefined || Date.parse(until) > now - keepMs)
    .map((each) => ({ ...each, until: timeText(Math.min(endsAt, timeOr(each.until, endsAt))) }));
  const next = { kid: kidOf(newSecret), secret: newSecret, since: timeText(beginsAt) };
  const rotated = { ...rest, secrets: [...former, next] };
  secretsOf({ secret: undefined, secrets: rotated.secrets }, now);
  return rotated;
}

const timeText = (ms: number) => new Date(ms).toISOString();
const timeOr = (text: string | undefined, otherwise: number) => (text === undefined ? otherwise : Date.parse(text));
