/**
 * API keys of other systems: `ck_<id>_<secret>`. The id identifies the row. Only a digest of the secret is stored; the secret is
 * so random that one round of SHA-256 is enough.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { randomId } from "../../ids";

const ID_LENGTH = 12;
const SECRET_LENGTH = 40;
const FORM = new RegExp(`^ck_([A-Za-z0-9]{${ID_LENGTH}})_([A-Za-z0-9]{${SECRET_LENGTH}})$`);

/** The rights that a key can have. */
export const apiKeyScopes = [
  "users",
  "tokens",
  "messages",
  "groups",
  "moderation",
  "broadcast",
  "operations",
  "audit-log",
] as const;
export type ApiKeyScope = (typeof apiKeyScopes)[number];

/** The role of users who may do everything under /v1/admin that a key with all scopes may. */
export const OPERATOR_ROLE = "operator";

export interface NewApiKey {
  id: string;
  /** The whole key; shown once, and stored nowhere. */
  key: string;
  /** SHA-256 of the secret, in hex. */
  secretHash: string;
}

export function newApiKey(): NewApiKey {
  const [id, secret] = [randomId(ID_LENGTH), randomId(SECRET_LENGTH)];
  return { id, key: `ck_${id}_${secret}`, secretHash: digest(secret) };
}

/** @returns undefined when the text does not have the form of a key */
export function parseApiKey(text: string): { id: string; secretHash: string } | undefined {
  const [, id, secret] = FORM.exec(text) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secretHash: digest(secret) };
}

/** Compares digests in constant time. */
export function isSameSecret(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

function digest(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}
