import { checksOf, isAtLeast, judge, ok } from "../src/doctor/check";
import { checkFingerprints, checkVersions } from "../src/doctor/cluster-checks";

test.each([
  ["2.14.3", "2.14.3", true],
  ["2.15.0-beta.1", "2.14.3", true],
  ["2.14.2", "2.14.3", false],
  ["2.9.10", "2.14.3", false],
  ["10.11.6-MariaDB-0+deb12u1", "10.11", true],
  ["10.6.12-MariaDB", "10.11", false],
  ["8.0.36", "8.0", true],
  ["7.0.15", "6.2", true],
  ["unknown", "6.2", false],
])("%s is at least %s: %s", (version, least, is) => expect(isAtLeast(version, least)).toBe(is));

test("a check that is not as it should be carries its result and advice; an ok one carries neither", () => {
  const otherwise = { result: "warning" as const, advice: "do this" };
  expect(judge("it", true, "fine", otherwise)).toEqual({ name: "it", result: "ok", text: "fine" });
  expect(judge("it", false, "bad", otherwise)).toEqual({ name: "it", text: "bad", ...otherwise });
});

test("a source that fails is what is wrong", async () => {
  expect(await checksOf("redis", "wait", async () => [ok("redis", "there")])).toEqual([ok("redis", "there")]);
  const failing = checksOf("redis", "wait", () => Promise.reject(new Error("no answer in time")));
  expect(await failing).toEqual([{ name: "redis", result: "wrong", text: "no answer in time", advice: "wait" }]);
});

const node = (nodeId: string, version: string, fingerprint = "f1") => ({ nodeId, version, fingerprint });

test("nodes of one version are ok; several are a warning that names who has which", () => {
  expect(checkVersions([node("a", "1.2.0"), node("b", "1.2.0")])).toEqual(ok("versions", "1.2.0"));
  const upgrading = [node("a", "1.2.0"), node("b", "1.3.0"), node("c", "1.2.0"), node("d", "")];
  expect(checkVersions(upgrading)).toMatchObject({
    name: "versions",
    result: "warning",
    text: "1.2.0 (a, c); 1.3.0 (b); unnamed (d)",
  });
});

test("a node with another layout than the cluster's is wrong; one that does not tell is not judged", () => {
  expect(checkFingerprints([node("a", "1"), node("b", "1", "")], "f1")).toEqual(ok("one layout", "f1"));
  expect(checkFingerprints([node("a", "1"), node("b", "1", "f2")], "f1")).toMatchObject({
    name: "one layout",
    result: "wrong",
    text: "b has f2; the cluster has f1",
  });
});
