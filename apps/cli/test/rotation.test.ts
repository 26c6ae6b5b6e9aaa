/** Rotation of the secrets that sign tokens, and the file in which they are. */
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kidOf } from "@carillon/base/node";
import { type AuthSection, rotate } from "../src/commands/secrets/rotation";
import { writeSettingsFile } from "../src/commands/secrets/settings-file";

const NOW = Date.parse("2026-11-30T12:00:00Z");
const SECRET = "a secret of these tests, long enough";
const minutes = (count: number) => NOW + count * 60_000;
const at = (count: number) => new Date(minutes(count)).toISOString();
const plan = {
  now: NOW,
  beginsAt: minutes(5),
  newSecret: `new ${SECRET}`,
  tokenMs: 900_000,
  revokes: false,
  keepMs: 86_400_000,
};
const next = { kid: kidOf(plan.newSecret), secret: plan.newSecret, since: at(5) };

test("auth.secret becomes an entry of the list that ends with the last of its tokens; the rest stays", () => {
  const auth: AuthSection = { secret: SECRET, accessTokenSeconds: 900 };
  // A quarter of an hour after the new one begins, and a minute for clocks and files.
  const former = { kid: kidOf(SECRET), secret: SECRET, until: at(21) };
  expect(rotate(auth, plan)).toEqual({ accessTokenSeconds: 900, secrets: [former, next] });
});

test("an entry keeps its end; one that ended long ago is removed", () => {
  const entry = (kid: string, until?: number) => ({
    kid,
    secret: `${kid} ${SECRET}`,
    ...(until === undefined ? {} : { until: at(until) }),
  });
  const auth = { secrets: [entry("gone", -1_441), entry("over", -1_439), entry("ends", 7), entry("signs")] };
  expect(rotate(auth, plan).secrets).toEqual([auth.secrets[1], auth.secrets[2], entry("signs", 21), next]);
});

test("a secret that was stolen ends when the new one begins", () => {
  const { secrets } = rotate({ secret: SECRET }, { ...plan, revokes: true });
  expect(secrets?.map(({ since, until }) => [since, until])).toEqual([
    [undefined, at(5)],
    [at(5), undefined],
  ]);
});

test("nothing is rotated without a secret, or while a new one waits", () => {
  expect(() => rotate({}, plan)).toThrow("set one first");
  const once = rotate({ secret: SECRET }, plan);
  const again = { ...plan, newSecret: `newer ${SECRET}` };
  expect(() => rotate(once, again)).toThrow(`the secret ${next.kid} begins at ${at(5)}`);
  const later = rotate(once, { ...again, now: minutes(6), beginsAt: minutes(11) });
  expect(later.secrets?.map(({ until }) => until)).toEqual([at(21), at(27), undefined]);
});

describe("the file", () => {
  const directory = mkdtempSync(join(tmpdir(), "carillon-rotation-"));
  afterAll(() => rmSync(directory, { recursive: true }));

  test("keeps its mode, is replaced as a whole, and a link to it stays one", () => {
    const [file, link] = [join(directory, "carillon.json"), join(directory, "link.json")];
    writeFileSync(file, "{}");
    chmodSync(file, 0o640);
    symlinkSync(file, link);
    const before = statSync(file).ino;
    writeSettingsFile(link, { auth: { secret: SECRET } });
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ auth: { secret: SECRET } });
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(statSync(file).ino).not.toBe(before);
    expect(readdirSync(directory).sort()).toEqual(["carillon.json", "link.json"]);
    expect(() => writeSettingsFile(join(directory, "none.json"), {})).toThrow("none.json");
  });
});
