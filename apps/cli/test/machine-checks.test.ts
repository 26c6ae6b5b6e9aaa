import { checkEncryption, checkMetricsAccess } from "../src/doctor/machine-checks";

const saved = { ...process.env };
afterEach(() => {
  process.env = { ...saved };
});

/** The environment of a cluster that is known by its variables alone. */
function use(env: object): void {
  process.env = { ...saved, CARILLON_NATS_SERVERS: "nats://127.0.0.1:1", ...env } as NodeJS.ProcessEnv;
}

test.each([
  ["on this machine only", {}, "ok"],
  ["on IPv6 of this machine", { CARILLON_API_HOST: "::1" }, "ok"],
  ["gateways for everybody", { CARILLON_GATEWAY_HOST: "192.0.2.7" }, "warning"],
  ["apis for everybody", { CARILLON_API_HOST: "0.0.0.0" }, "warning"],
  ["with a token", { CARILLON_API_HOST: "0.0.0.0", CARILLON_METRICS_TOKEN: "with-a-token-of-tests" }, "ok"],
])("metrics %s", async (_name, env, result) => {
  use(env);
  expect(await checkMetricsAccess(undefined)).toMatchObject([{ name: "metrics", result }]);
});

const listener = { transport: "ws", host: "0.0.0.0", port: 1 };
const behindBalancer = JSON.stringify([{ ...listener, advertise: { host: "chat.example.org", tls: true } }]);
const plainListener = JSON.stringify([listener]);

test.each<[string, object, string[]]>([
  ["on one machine", {}, []],
  ["NATS elsewhere", { CARILLON_NATS_SERVERS: "nats://192.0.2.1:4222,192.0.2.2:4222" }, ["NATS"]],
  ["NATS with TLS", { CARILLON_NATS_SERVERS: "tls://192.0.2.1:4222" }, []],
  [
    "Redis and MySQL elsewhere",
    { CARILLON_REDIS_URL: "redis://r:1", CARILLON_MYSQL_URL: "mysql://u@m/d" },
    ["Redis", "MySQL"],
  ],
  ["both with TLS", { CARILLON_REDIS_URL: "rediss://r:1", CARILLON_MYSQL_URL: "mysql://u@m/d?ssl=verify" }, []],
  ["gateways for everybody", { CARILLON_GATEWAY_HOST: "192.0.2.7" }, ["clients over tcp", "clients over ws"]],
  ["a plain listener", { CARILLON_GATEWAY_LISTENERS: plainListener }, ["clients over ws"]],
  ["a listener behind a balancer that encrypts", { CARILLON_GATEWAY_LISTENERS: behindBalancer }, []],
])("encryption: %s", async (_name, env, plain) => {
  use(env);
  const [check] = await checkEncryption(undefined);
  expect(check).toMatchObject({ name: "encryption", result: plain.length === 0 ? "ok" : "warning" });
  for (const link of plain) expect(check!.text).toContain(link);
});
