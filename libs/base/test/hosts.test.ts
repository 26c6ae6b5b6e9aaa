import { advertisedHost, checkHost, hostInAddress } from "@carillon/base/node";

test.each(["127.0.0.1", "0.0.0.0", "::", "::1", "2001:db8::5", "localhost", "chat.example.org", "gateway_1", "a"])(
  "%s is a host",
  (host) => {
    expect(checkHost("api.host", host)).toBe(host);
  },
);

test.each([
  "",
  " ",
  "chat.example.org:443",
  "wss://chat.example.org",
  "chat.example.org/ws",
  "[::1]",
  "[::1]:7700",
  "a b",
  "-a",
  "a.",
  "user@host",
])("%j is none", (host) => {
  expect(() => checkHost("api.host", host)).toThrow(`api.host: ${JSON.stringify(host)}`);
  expect(() => advertisedHost(host, "127.0.0.1", "gateway.host")).toThrow("gateway.advertiseHost: ");
});

test("clients are told what is listened on, or another name; never what nobody can open", () => {
  expect(advertisedHost(undefined, "127.0.0.1", "gateway.host")).toBe("127.0.0.1");
  expect(advertisedHost("chat.example.org", "0.0.0.0", "gateway.host")).toBe("chat.example.org");
  for (const host of ["0.0.0.0", "::", "0:0:0:0:0:0:0:0", "0"]) {
    expect(() => advertisedHost(undefined, host, "gateway.host")).toThrow(/^gateway.host: .*gateway.advertiseHost$/);
    expect(() => advertisedHost(host, "127.0.0.1", "gateway.host")).toThrow(/^gateway.advertiseHost: /);
  }
});

test("an address of IPv6 is in brackets in front of a port", () => {
  expect(["::1", "127.0.0.1", "chat.example.org"].map(hostInAddress)).toEqual([
    "[::1]",
    "127.0.0.1",
    "chat.example.org",
  ]);
});
