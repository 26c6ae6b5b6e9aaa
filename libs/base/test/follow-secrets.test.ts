/** A process reads the secrets of tokens again when carillon.json changes. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { followSecrets, loadSettings, secretsOf, TokenSecrets } from "@carillon/base/node";

const directory = mkdtempSync(join(tmpdir(), "carillon-secrets-"));
const file = join(directory, "carillon.json");
const environment = { CARILLON_CONFIG: file };
const errors: string[] = [];
const logger = { info: () => {}, error: ({ err }: { err: Error }) => void errors.push(err.message) };
afterAll(() => rmSync(directory, { recursive: true }));

const write = (...kids: string[]) => {
  const secrets = kids.map((kid, age) => ({
    kid,
    secret: `${kid}: a secret of these tests, long enough`,
    since: new Date(age).toISOString(),
  }));
  writeFileSync(file, JSON.stringify({ auth: { secrets } }));
};

test("on SIGHUP; a file that cannot be used changes nothing", () => {
  write("a");
  const secrets = new TokenSecrets(secretsOf(loadSettings(environment).auth, Date.now()));
  const before = process.listenerCount("SIGHUP");
  const watched = followSecrets(secrets, logger as never, environment)!;
  expect(secrets.signing.kid).toBe("a");
  write("a", "b");
  process.emit("SIGHUP");
  expect(secrets.signing.kid).toBe("b");
  for (const broken of ["{", '{"auth":{"secrets":[{"kid":"c","secret":"short"}]}}', '{"gatway":{}}']) {
    writeFileSync(file, broken);
    process.emit("SIGHUP");
    expect(secrets.signing.kid).toBe("b");
  }
  expect(errors).toHaveLength(3);
  expect(errors.join()).not.toContain("a secret of these tests");
  watched.stop();
  expect(process.listenerCount("SIGHUP")).toBe(before);
  write("d");
  process.emit("SIGHUP");
  expect(secrets.signing.kid).toBe("b");
});

test("not without a file", () => {
  const secrets = new TokenSecrets(secretsOf(loadSettings({}).auth, Date.now()));
  expect(followSecrets(secrets, logger as never, {})).toBeUndefined();
});
