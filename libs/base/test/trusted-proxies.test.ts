import { checkProxies, SettingsError, TrustedProxies } from "../src/node";

test.each([
  ["loopback"],
  ["uniquelocal"],
  ["10.0.0.0/8"],
  ["192.0.2.1"],
  ["::1"],
  ["2001:db8::/32"],
  ["10.1.0.0/255.255.0.0"],
])("%s names proxies", (proxy) => {
  expect(checkProxies("api.trustProxy", [proxy, "127.0.0.1"])).toEqual([proxy, "127.0.0.1"]);
});

test.each(["true", "proxy.example.org", "10.0.0.0/33", "10.0.0.0/255.0.255.0", "::1/129", "1", ""])(
  "%j is refused",
  (proxy) => {
    expect(() => checkProxies("api.trustProxy", [proxy])).toThrow(SettingsError);
    expect(() => checkProxies("api.trustProxy", [proxy])).toThrow(/api.trustProxy/);
  },
);

test("true is told what is meant by it", () => {
  expect(() => checkProxies("api.trustProxy", ["true"])).toThrow(/name them/);
});

test("a proxy is believed, and so are those that it has believed; nobody else is", () => {
  const proxies = new TrustedProxies(["loopback", "10.0.0.0/255.0.0.0", "2001:db8::/32"]);
  for (const [peer, header, client] of [
    ["127.0.0.1", "192.0.2.7", "192.0.2.7"],
    ["::1", "192.0.2.7:4711", "192.0.2.7"],
    ["::ffff:10.1.2.3", "[2001:470::1]:80", "2001:470::1"],
    ["2001:db8::9", "192.0.2.7", "192.0.2.7"],
    // The client has written the first one, and a proxy has added what it has seen.
    ["127.0.0.1", "1.1.1.1, 192.0.2.7", "192.0.2.7"],
    ["127.0.0.1", "1.1.1.1, 192.0.2.7, 10.9.9.9", "192.0.2.7"],
    ["127.0.0.1", ["1.1.1.1", "192.0.2.7"], "192.0.2.7"],
    ["192.0.2.9", "1.1.1.1", "192.0.2.9"],
    ["127.0.0.1", undefined, "127.0.0.1"],
    ["127.0.0.1", "unknown", "127.0.0.1"],
    ["127.0.0.1", "1.1.1.1, ", "127.0.0.1"],
    ["127.0.0.1", "10.0.0.1", "10.0.0.1"],
  ] as const) {
    expect([peer, header, proxies.clientOf(peer, header)]).toEqual([peer, header, client]);
  }
});

test("without proxies every client is who it is", () => {
  const nobody = new TrustedProxies([]);
  expect(nobody.clientOf("127.0.0.1", "1.1.1.1")).toBe("127.0.0.1");
  for (const address of ["127.0.0.1", "::1", "", "x"]) expect(nobody.trusts(address)).toBe(false);
});
