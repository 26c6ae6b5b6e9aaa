/** Attacks by HTTP on the api and the WebSocket ports: targets, headers, bodies, upgrades. */
import { type Attack, Finding, type Scene } from "../attack";
import { mutateBytes, mutateText, mutateValue } from "../mutate";
import type { Random } from "../random";
import { ODD_TARGETS, upgradeLines } from "../samples";
import { Wire } from "../wire";
import { endSomehow } from "./tcp";

const MOST_REQUESTS = 12;
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PRI", "get", "FOO"];
const ODD_HEADERS = [
  "Transfer-Encoding: chunked",
  "Content-Length: -1",
  "Content-Length: 99999999999999999999",
  "Expect: 100-continue",
  "Connection: Upgrade, close",
  "Upgrade: h2c",
  "Host: ",
  "Authorization: Bearer x.y.z",
  "Authorization: Bearer",
  "Content-Type: text/plain",
  "Content-Type: application/json; charset=utf-7",
  "X-Forwarded-For: 1.2.3.4, [::1]:80, x",
  "Cookie: a=b; ".repeat(50),
  "Accept: */*, \u0000",
  "Range: bytes=0-",
  "no colon here",
  `X-Long: ${"x".repeat(20_000)}`,
];

/** Encodes a body, with its headers. */
function withBody(body: string): string[] {
  return ["Content-Type: application/json", `Content-Length: ${Buffer.byteLength(body)}`, "", body];
}

/** Makes a request for one of the api's own routes, with an odd value in its path, query or body. */
function routeRequest(random: Random, { routes, attacker, api }: Scene): string {
  const { method, path, body } = random.pick(routes);
  const target = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    if (random.chance(0.2)) return encodeURIComponent(wellFormed(random.text()));
    if (/user/i.test(name)) return attacker.userId;
    if (/group/i.test(name)) return attacker.groupId;
    if (/conversation/i.test(name)) return `p:${attacker.userId}:${attacker.userId}`;
    return String(random.pick([1, 0, random.number()]));
  });
  const query = random.chance(0.3)
    ? `?${random.pick(["limit", "cursor", "before", "search", "ids"])}=${random.number()}`
    : "";
  const token = random.chance(0.9) ? [`Authorization: Bearer ${attacker.token}`] : [];
  const head = [`${method} ${target}${query} HTTP/1.1`, `Host: ${api.host}`, ...token];
  if (body === undefined) return [...head, "", ""].join("\r\n");
  const sent = random.chance(0.8)
    ? JSON.stringify(mutateValue(random, body))
    : mutateText(random, JSON.stringify(body));
  return [...head, ...withBody(sent)].join("\r\n");
}

const wellFormed = (text: string) => text.replace(/\p{Surrogate}/gu, "\ufffd");

/** Makes a request that is odd in its first line or its headers. */
function oddRequest(random: Random): Buffer {
  const target = random.chance(0.8) ? random.pick(ODD_TARGETS) : `/${random.text()}`;
  const headers = Array.from({ length: random.below(4) }, () => random.pick(ODD_HEADERS));
  const version = random.pick(["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9", ""]);
  const lines = [
    `${random.pick(METHODS)} ${target} ${version}`,
    "Host: x",
    ...headers,
    "",
    random.chance(0.3) ? "body" : "",
  ];
  const bytes = Buffer.from(lines.join("\r\n"), random.chance(0.5) ? "utf8" : "latin1");
  return random.chance(0.3) ? mutateBytes(random, bytes) : bytes;
}

/** @throws Finding when one of the answers says that the server is at fault; 503 says that it is busy */
function judge(wire: Wire, requests: string[]): void {
  const statuses = [...wire.received.toString("latin1").matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status);
  if (!statuses.some((status) => /^5/.test(status!) && status !== "503" && status !== "501")) return;
  throw new Finding(
    `answered by ${statuses.join(" ")}:\n${requests.map((one) => one.slice(0, 2_000)).join("\n---\n")}`,
  );
}

export const httpRoutes: Attack = {
  name: "http-routes",
  about: "the api's own routes with odd paths, queries and bodies, mostly logged in",
  run: async (random, scene) => {
    const wire = await Wire.open(scene.api, scene.from);
    const requests = Array.from({ length: random.between(1, MOST_REQUESTS) }, () => routeRequest(random, scene));
    for (const request of requests) wire.write(request);
    await endSomehow(random, wire, "requests of routes");
    judge(wire, requests);
    return requests.length;
  },
};

export const httpOddities: Attack = {
  name: "http-odd",
  about: "odd methods, targets, headers and versions, at the api and at the WebSocket ports",
  run: async (random, scene) => {
    const place = random.chance(0.5) ? scene.api : random.pick(scene.gateways).ws;
    const wire = await Wire.open(place, scene.from);
    const requests = Array.from({ length: random.between(1, MOST_REQUESTS) }, () => oddRequest(random));
    for (const request of requests) wire.write(request);
    await endSomehow(random, wire, "odd requests");
    judge(
      wire,
      requests.map((request) => request.toString("latin1")),
    );
    return requests.length;
  },
};

export const upgrades: Attack = {
  name: "upgrade",
  about: "upgrades with odd targets, headers and keys, with bytes behind them, at every port that speaks HTTP",
  run: async (random, scene) => {
    const place = random.chance(0.2) ? scene.api : random.pick(scene.gateways).ws;
    const wire = await Wire.open(place, scene.from);
    let lines = upgradeLines(random.pick(["carillon.v1", "carillon.json.v1", "chat", "", "a,b,carillon.v1", ",,,"]));
    if (random.chance(0.5)) lines[0] = `GET ${random.pick(ODD_TARGETS)} HTTP/1.1`;
    if (random.chance(0.5)) lines = lines.filter((_, i) => i === 0 || random.chance(0.8));
    if (random.chance(0.3)) lines.push(random.pick(ODD_HEADERS));
    if (random.chance(0.3))
      lines = lines.map((line, i) => (i > 0 && random.chance(0.2) ? mutateText(random, line) : line));
    wire.write(`${lines.join("\r\n")}\r\n\r\n`);
    if (random.chance(0.5)) wire.write(random.bytes(random.between(1, 40)));
    await endSomehow(random, wire, `an upgrade: ${lines.join(" | ").slice(0, 500)}`);
    judge(wire, [lines.join("\n")]);
    return 1;
  },
};
