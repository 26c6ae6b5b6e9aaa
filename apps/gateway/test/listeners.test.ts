import type { Settings } from "@carillon/base/node";
import { addressOf, readListeners } from "../src/listeners";

type Gateway = Settings["gateway"];
type Listener = Gateway["listeners"][number];
const gateway = (more: Partial<Gateway>): Gateway =>
  ({
    host: "127.0.0.1",
    tcpPort: 7700,
    wsPort: 7701,
    udpPort: 7702,
    listeners: [],
    trustProxy: [],
    ...more,
  }) as Gateway;
const told = (more: Partial<Gateway>) => readListeners(gateway(more)).map((each) => addressOf(each, each.port));
const ws: Listener = { transport: "ws", host: "0.0.0.0", port: 7701, advertise: { host: "chat.example.org" } };
const tls = { certFile: "c", keyFile: "k" };

test("the short form names one listener of each transport", () => {
  expect(told({})).toEqual(["127.0.0.1:7700", "ws://127.0.0.1:7701/ws", "127.0.0.1:7702"]);
  expect(told({ host: "0.0.0.0", advertiseHost: "2001:db8::1" })).toEqual([
    "[2001:db8::1]:7700",
    "ws://[2001:db8::1]:7701/ws",
    "[2001:db8::1]:7702",
  ]);
});

test.each<[string, Listener, string]>([
  ["with TLS", { ...ws, tls }, "wss://chat.example.org:7701/ws"],
  [
    "behind a balancer that encrypts",
    { ...ws, advertise: { host: "a.example", port: 443, tls: true } },
    "wss://a.example/ws",
  ],
  [
    "by a path of the balancer",
    { ...ws, advertise: { host: "a.example", port: 80, path: "/gw-2/ws" } },
    "ws://a.example/gw-2/ws",
  ],
  [
    "plain, behind TLS of the gateway",
    { ...ws, tls, advertise: { host: "a.example", tls: false } },
    "ws://a.example:7701/ws",
  ],
])("an address of WebSocket %s", (_name, listener, address) => {
  expect(told({ listeners: [listener] })).toEqual([address]);
});

test("an address of TCP with TLS", () => {
  const tcp: Listener = { transport: "tcp", host: "::1", port: 7700, tls };
  expect(told({ listeners: [tcp, ws] })).toEqual(["tls://[::1]:7700", "ws://chat.example.org:7701/ws"]);
});

test.each<[string, Partial<Gateway>, string]>([
  ["no listener of WebSocket", { listeners: [{ transport: "tcp", host: "::1", port: 1 }] }, "one of them must be ws"],
  [
    "an address that no client can open",
    { listeners: [{ ...ws, advertise: {} }] },
    "gateway.listeners[0].host: 0.0.0.0",
  ],
  ["a host that is none", { listeners: [{ ...ws, host: "ws://x" }] }, "gateway.listeners[0].host"],
  [
    "a path over TCP",
    { listeners: [ws, { ...ws, transport: "tcp", advertise: { path: "/x" } }] },
    "[1].advertise.path",
  ],
  [
    "TLS over UDP",
    { listeners: [ws, { transport: "udp", host: "::1", port: 1, tls }] },
    "[1]: udp is always encrypted",
  ],
  ["headers of no proxy", { listeners: [{ ...ws, proxyProtocol: true }] }, "gateway.trustProxy must name"],
])("%s is refused", (_name, settings, message) => {
  expect(() => told(settings)).toThrow(message);
});
