import { checkMetricsAccess } from "../src/doctor/machine-checks";

const saved = { ...process.env };
afterEach(() => {
  process.env = { ...saved };
});

test.each([
  ["on this machine only", {}, "ok"],
  ["on IPv6 of this machine", { CARILLON_API_HOST: "::1" }, "ok"],
  ["gateways for everybody", { CARILLON_GATEWAY_HOST: "192.0.2.7" }, "warning"],
  ["apis for everybody", { CARILLON_API_HOST: "0.0.0.0" }, "warning"],
  ["with a token", { CARILLON_API_HOST: "0.0.0.0", CARILLON_METRICS_TOKEN: "with-a-token-of-tests" }, "ok"],
])("metrics %s", async (_name, env, result) => {
  // A cluster that is known by its variables alone.
  process.env = { ...saved, CARILLON_NATS_SERVERS: "nats://127.0.0.1:1", ...env } as NodeJS.ProcessEnv;
  expect(await checkMetricsAccess(undefined)).toMatchObject([{ name: "metrics", result }]);
});
