import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseStartArguments, parseStopArguments } from "../src/command/arguments";
import { renderTemplate } from "../src/servers/template";
import { type ClusterInfo, describeCluster } from "../src/supervisor/cluster-file";
import { type ClusterOptions, OptionsError, planPorts, portsInPlan } from "../src/supervisor/cluster-options";
import { fixPartitions, keptAuth, loadSecrets, usualPartitions } from "../src/supervisor/secrets";
import { renderAppSettings } from "../src/supervisor/stores";

const counts = { gateway: 2, worker: 2, archiver: 1, api: 1 };

function startOptions(args: string[], env: Record<string, string> = {}): ClusterOptions {
  const parsed = parseStartArguments(args, env);
  if (parsed.help) {
    throw new Error("asked for help");
  }
  return parsed.options;
}

describe("templates", () => {
  test("fill each place", () => {
    const text = "port: $[port]\n# $[port] $[name]".replaceAll("[", "{").replaceAll("]", "}");
    expect(renderTemplate(text, { port: 1, name: "$&" })).toBe("port: 1\n# 1 $&");
  });

  test("refuse a place without a value and a value without a place", () => {
    expect(() => renderTemplate("$" + "{port}", {})).toThrow(/port/);
    expect(() => renderTemplate("nothing", { port: 1 })).toThrow(/port/);
  });
});

describe("arguments of start", () => {
  test("defaults", () => {
    const options = startOptions([]);
    expect(options).toMatchObject({ basePort: 21_000, counts, fresh: false, external: {} });
    expect(path.basename(options.directory)).toBe(".carillon");
    expect(options.partitions).toBeUndefined();
  });

  test("all options", () => {
    const args = "--detach --data /d --base-port 30000 --gateways 3 --workers 4 --archivers 2 --apis 2 --partitions 8";
    const parsed = parseStartArguments([...args.split(" "), "--fresh"], {});
    expect(parsed).toMatchObject({ detach: true, showsSecrets: false });
    expect(parseStartArguments(["--show-secrets"], {})).toMatchObject({ showsSecrets: true });
    expect(startOptions([...args.split(" "), "--fresh"])).toMatchObject({
      directory: "/d",
      basePort: 30_000,
      counts: { gateway: 3, worker: 4, archiver: 2, api: 2 },
      partitions: 8,
      fresh: true,
    });
  });

  test("settings name the data directory and stores", () => {
    const env = {
      CARILLON_DATA: "/elsewhere",
      CARILLON_NATS_SERVERS: "nats://a:4222, nats://b:4222",
      CARILLON_REDIS_URL: "redis://r:6379",
    };
    expect(startOptions([], env)).toMatchObject({
      directory: "/elsewhere",
      external: { nats: ["nats://a:4222", "nats://b:4222"], redis: "redis://r:6379" },
    });
    expect(parseStopArguments(["--data", "/d"], env).directory).toBe("/d");
  });

  test.each([
    [["--bogus"]],
    [["extra"]],
    [["--workers", "two"]],
    [["--workers", "-1"]],
    [["--gateways", "16"]],
    [["--apis", "11"]],
    [["--base-port", "80"]],
    [["--base-port", "65500"]],
    [["--partitions", "0"]],
  ])("%j is refused", (args) => {
    expect(() => parseStartArguments(args, {})).toThrow(OptionsError);
  });
});

describe("the port plan", () => {
  test("has no port twice and stays inside fifty, at the largest counts too", () => {
    for (const each of [counts, { gateway: 15, worker: 64, archiver: 64, api: 10 }]) {
      const ports = portsInPlan(planPorts(30_000, each), {});
      expect(new Set(ports).size).toBe(ports.length);
      expect(Math.min(...ports)).toBe(30_000);
      expect(Math.max(...ports)).toBeLessThan(30_050);
    }
  });

  test("has room for three servers of NATS, and then for fewer apis", () => {
    const most = { gateway: 15, worker: 64, archiver: 64, api: 7 };
    const ports = portsInPlan(planPorts(30_000, most, 3), {});
    expect(new Set(ports).size).toBe(portsInPlan(planPorts(30_000, most), {}).length + 7);
    expect(Math.max(...ports)).toBeLessThan(30_050);
    expect(() => planPorts(30_000, { ...most, api: 8 }, 3)).toThrow(OptionsError);
  });

  test("leaves out external stores", () => {
    const external = { nats: ["nats://x:1"], redis: "redis://x:1", mysql: "mysql://x:1/d" };
    expect(portsInPlan(planPorts(30_000, { gateway: 1, worker: 0, archiver: 0, api: 0 }), external)).toEqual([
      30_010, 30_011,
    ]);
  });
});

test("settings of our processes name external stores, credentials apart from NATS addresses", () => {
  const external = {
    nats: ["nats://us%20er:p%40ss@a:4222", "nats://us%20er:p%40ss@b:4222", "c:4222"],
    redis: "redis://:x@r:6379",
    mysql: "mysql://u:p@m:3306/d",
  };
  const accounts = { gateway: "1", worker: "2", archiver: "3", api: "4", operator: "5" };
  const options = { directory: "/d", basePort: 30_000, counts, external };
  expect(renderAppSettings({}, options, { auth: { secret: "a" }, accounts })).toEqual({
    mode: "development",
    nats: {
      servers: ["nats://a:4222", "nats://b:4222", "nats://c:4222"],
      user: "us er",
      password: "p@ss",
      replicas: 3,
    },
    redis: { url: external.redis },
    mysql: { url: external.mysql },
    auth: { secret: "a" },
  });
});

test("passwords and tokens of stores are printed only for those who ask for them", () => {
  const info = {
    ...{ api: "http://h:1", gateways: [], workers: [], archivers: [], apis: [] },
    nats: [{ url: "nats://someone:secret@h:1" }, { url: "nats://secret@h:2" }],
    redis: { url: "redis://:/secret@@h:3" },
    mysql: { url: "mysql://carillon:secret@h:4/carillon?ssl=verify" },
  } as ClusterInfo;
  const lines = describeCluster("/d", info, false).join("\n");
  expect(lines).not.toContain("secret");
  for (const shown of ["nats://h:1  nats://h:2", "redis://h:3", "mysql://h:4/carillon?ssl=verify"])
    expect(lines).toContain(shown);
  expect(
    describeCluster("/d", info, true)
      .join("\n")
      .match(/secret/g),
  ).toHaveLength(4);
});

describe("what a data directory keeps", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), "carillon-data-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  test("secrets are made once and are readable by the owner only", () => {
    const secrets = loadSecrets(directory);
    expect(loadSecrets(directory)).toEqual(secrets);
    const { accounts, ...others } = secrets;
    expect(new Set([...Object.values(others), ...Object.values(accounts)]).size).toBe(9);
    expect(statSync(path.join(directory, "secrets.json")).mode & 0o777).toBe(0o600);
  });

  test("secrets of tokens that were rotated stay at the next start", () => {
    const file = path.join(directory, "carillon.json");
    expect(keptAuth(directory)).toBeUndefined();
    writeFileSync(file, JSON.stringify({ auth: { secret: "a" } }));
    expect(keptAuth(directory)).toBeUndefined();
    writeFileSync(file, JSON.stringify({ auth: { secrets: [{ kid: "a" }] } }));
    expect(keptAuth(directory)).toEqual({ secrets: [{ kid: "a" }] });
  });

  test("the number of partitions never changes", () => {
    const options = { directory, basePort: 30_000, counts };
    expect(fixPartitions({ ...options, partitions: 2 })).toBe(2);
    expect(fixPartitions({ ...options, counts: { ...counts, worker: 5 } })).toBe(2);
    expect(fixPartitions({ ...options, partitions: 2 })).toBe(2);
    expect(() => fixPartitions({ ...options, partitions: 4 })).toThrow(/--fresh/);
  });

  test.each([
    [2, 1, 1],
    [2, 2, 1],
    [2, 4, 2],
    [2, 64, 2],
    [8, 8, 4],
    [0, 8, 1],
  ])("%d workers on %d processors: %d partitions", (workers, cores, partitions) => {
    expect(usualPartitions(workers, cores)).toBe(partitions);
  });
});
