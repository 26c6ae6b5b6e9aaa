import { loadSettings } from "../src/node";

const production = { CARILLON_MODE: "production", CARILLON_AUTH_SECRET: "a-secret-of-tests-with-some-length" };
const load = (env: Record<string, string>) => () => loadSettings({ ...production, ...env });

test.each<[string, Record<string, string>]>([
  ["one machine", {}],
  ["a network of its own for clients", { CARILLON_GATEWAY_HOST: "10.0.0.7", CARILLON_API_HOST: "10.0.0.7" }],
  [
    "TLS everywhere",
    {
      CARILLON_NATS_SERVERS: "tls://n:4222",
      CARILLON_REDIS_URL: "rediss://r:1",
      CARILLON_MYSQL_URL: "mysql://u@m/d?ssl=verify",
    },
  ],
  [
    "plain links that are said",
    { CARILLON_REDIS_URL: "redis://r:1", CARILLON_API_HOST: "::", CARILLON_ALLOW_PLAIN_LINKS: "true" },
  ],
])("production starts with %s", (_name, env) => {
  expect(load(env)).not.toThrow();
});

test.each<[string, Record<string, string>, string]>([
  ["NATS", { CARILLON_NATS_SERVERS: "n1:4222,n2:4222" }, "NATS (n1), NATS (n2)"],
  ["Redis", { CARILLON_REDIS_URL: "redis://:secret@r:6379" }, "Redis (r)"],
  ["MySQL", { CARILLON_MYSQL_URL: "mysql://u:secret@[2001:db8::1]:3306/d" }, "MySQL (2001:db8::1)"],
  ["an api on all addresses", { CARILLON_API_HOST: "0.0.0.0" }, "the api (0.0.0.0)"],
  [
    "address of an OpenID provider",
    {
      CARILLON_AUTH_OIDC_ISSUER: "http://id.example",
      CARILLON_AUTH_OIDC_CLIENT_ID: "c",
      CARILLON_AUTH_OIDC_CALLBACK_URL: "https://chat.example/v1/oidc/callback",
      CARILLON_AUTH_OIDC_RETURN_TO: "https://app.example/",
    },
    "the keys of http://id.example (id.example)",
  ],
  [
    "address of an issuer's keys",
    { CARILLON_AUTH_ISSUERS: JSON.stringify([{ issuer: "https://id.example", jwksUrl: "http://id.example/jwks" }]) },
    "the keys of https://id.example (id.example)",
  ],
  ["gateways on all addresses", { CARILLON_GATEWAY_HOST: "::" }, "clients over tcp (::), clients over ws (::)"],
])("production refuses a plain %s, and names it without its password", (_name, env, names) => {
  expect(load(env)).toThrow(`production mode refuses links that are not encrypted: ${names}. `);
});

test("development starts with plain links", () => {
  expect(() => loadSettings({ CARILLON_REDIS_URL: "redis://r:1" }, () => {})).not.toThrow();
});
