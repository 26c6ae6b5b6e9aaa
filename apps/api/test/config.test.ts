import { SettingsError } from "@carillon/base/node";
import { checkProxies } from "../src/config";

test.each([
  ["loopback"],
  ["uniquelocal"],
  ["10.0.0.0/8"],
  ["192.0.2.1"],
  ["::1"],
  ["2001:db8::/32"],
  ["10.1.0.0/255.255.0.0"],
])("%s names proxies", (proxy) => {
  expect(checkProxies([proxy, "127.0.0.1"])).toEqual([proxy, "127.0.0.1"]);
});

test.each(["true", "proxy.example.org", "10.0.0.0/33", "10.0.0.0/255.0.255.0", "::1/129", "1", ""])(
  "%j is refused",
  (proxy) => {
    expect(() => checkProxies([proxy])).toThrow(SettingsError);
    expect(() => checkProxies([proxy])).toThrow(/api.trustProxy/);
  },
);

test("true is told what is meant by it", () => {
  expect(() => checkProxies(["true"])).toThrow(/name them/);
});
