import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEVELOPMENT_SECRET, describeSettings, loadSettings } from "@carillon/base/node";

describe("settings", () => {
  const directory = mkdtempSync(join(tmpdir(), "carillon-settings-"));
  const file = join(directory, "carillon.json");
  afterAll(() => rmSync(directory, { recursive: true }));

  const load = (content: unknown, variables: NodeJS.ProcessEnv = {}) => {
    writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
    return () => loadSettings({ CARILLON_CONFIG: file, ...variables });
  };

  test("defaults, file and variables, in this order", () => {
    const settings = load({ gateway: { tcpPort: 1, wsPort: 2 } }, { CARILLON_GATEWAY_WS_PORT: "3" })();
    expect(settings.gateway).toMatchObject({ tcpPort: 1, wsPort: 3, heartbeatSeconds: 30 });
    expect(Object.isFrozen(settings.gateway)).toBe(true);
  });

  test("a list in a variable is separated by commas", () => {
    const settings = load({}, { CARILLON_NATS_SERVERS: "nats://a:1, nats://b:2" })();
    expect(settings.nats.servers).toEqual(["nats://a:1", "nats://b:2"]);
  });

  test("a list of objects in a variable is JSON", () => {
    const issuers = [{ issuer: "https://id.example", publicKeyFile: "/keys/id.pem" }];
    expect(load({}, { CARILLON_AUTH_ISSUERS: JSON.stringify(issuers) })().auth.issuers).toEqual(issuers);
    expect(load({}, { CARILLON_AUTH_ISSUERS: "id.pem" })).toThrow(
      "wrong value of auth.issuers in CARILLON_AUTH_ISSUERS",
    );
  });

  test.each([
    ["an unknown key", { gateway: { tcpport: 1 } }, {}, `unknown setting gateway.tcpport in ${file}`],
    ["an unknown section", { gatway: {} }, {}, `unknown setting gatway in ${file}`],
    ["a wrong type", { gateway: { tcpPort: "x" } }, {}, /wrong value of gateway.tcpPort in .*carillon.json/],
    ["a wrong choice", { policy: { strangers: "some" } }, {}, /wrong value of policy.strangers .* allow, friends-only/],
    ["a wrong variable", {}, { CARILLON_API_PORT: "many" }, /wrong value of api.port in CARILLON_API_PORT/],
    ["an unknown variable", {}, { CARILLON_API_PROT: "1" }, "unknown setting in the environment: CARILLON_API_PROT"],
    ["no JSON", "{", {}, /carillon.json is not JSON/],
    ["no object", "[]", {}, /must hold a JSON object/],
    ["no secret in production", { mode: "production" }, {}, /auth.secret is missing/],
    ["a short secret", { auth: { secret: "short" } }, {}, /wrong value of auth.secret/],
    ["a short one of several", { auth: { secrets: [{ kid: "a", secret: "short" }] } }, {}, /auth.secrets.0.secret/],
    [
      "the public secret in production",
      { mode: "production", auth: { secrets: [{ kid: "a", secret: DEVELOPMENT_SECRET }] } },
      {},
      /is the public secret of development/,
    ],
    ["an issuer with HMAC", { auth: { issuers: [{ issuer: "i", algorithms: ["HS256"] }] } }, {}, /RS256, ES256, EdDSA/],
  ])("refuses %s and names key and place", (_name, content, variables, message) => {
    expect(load(content, variables)).toThrow(message);
  });

  test("every number has a range; a time is none that a timer would take for no time", () => {
    const numbers = describeSettings().filter(({ type }) => type === "integer");
    expect(numbers.length).toBeGreaterThan(30);
    for (const { path, variable } of numbers) {
      for (const text of ["-1", `${2 ** 53}`]) {
        expect(() => loadSettings({ [variable]: text })).toThrow(`wrong value of ${path}`);
      }
      if (!/Seconds$/.test(path)) continue;
      expect(() => loadSettings({ [variable]: `${2 ** 31 / 1_000}` })).toThrow(`wrong value of ${path}`);
      expect(() => loadSettings({ [variable]: `${2 ** 31}` })).toThrow(`wrong value of ${path}`);
    }
  });

  test("a missing file is named", () => {
    expect(() => loadSettings({ CARILLON_CONFIG: "/nowhere/carillon.json" })).toThrow("/nowhere/carillon.json");
  });

  test("every setting is described", () => {
    const settings = describeSettings();
    expect(settings.length).toBeGreaterThan(30);
    for (const setting of settings) expect([setting.path, setting.description]).not.toContain("");
    expect(settings.find((setting) => setting.path === "gateway.tcpPort")?.variable).toBe("CARILLON_GATEWAY_TCP_PORT");
  });
});

describe("a section that had another name in the version before", () => {
  const load = (raw: object, variables: Record<string, string> = {}) => {
    const file = join(mkdtempSync(join(tmpdir(), "carillon-settings-")), "carillon.json");
    writeFileSync(file, JSON.stringify(raw));
    const warnings: string[] = [];
    const settings = loadSettings({ CARILLON_CONFIG: file, ...variables }, (line) => warnings.push(line));
    return { worker: settings.worker, warnings, file };
  };

  test("is read under the old one, with a warning", () => {
    const { worker, warnings, file } = load({ logic: { weight: 7 } }, { CARILLON_LOGIC_HTTP_PORT: "9" });
    expect(worker).toMatchObject({ weight: 7, httpPort: 9 });
    expect(warnings).toEqual([
      `the section "logic" in ${file} is called "worker" now; the next version will not know the old name`,
      "CARILLON_LOGIC_HTTP_PORT is called CARILLON_WORKER_HTTP_PORT now; the next version will not know the old name",
    ]);
  });

  test("counts less than the new one, and what it says is checked as ever", () => {
    const both = load(
      { logic: { weight: 7, httpPort: 1 }, worker: { weight: 8 } },
      {
        CARILLON_LOGIC_HTTP_PORT: "9",
        CARILLON_WORKER_HTTP_PORT: "10",
      },
    );
    expect(both.worker).toMatchObject({ weight: 8, httpPort: 10 });
    expect(() => load({ logic: { wight: 7 } })).toThrow("unknown setting worker.wight");
    for (const worker of [5, null, ["a"]]) {
      expect(() => load({ logic: { weight: 3 }, worker })).toThrow(/wrong value of worker in .*: must be an object/);
    }
    expect(() => load({ logic: ["a"] })).toThrow(/wrong value of logic in .*: must be an object/);
  });
});
