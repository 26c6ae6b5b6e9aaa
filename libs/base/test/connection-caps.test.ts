import { ConnectionCaps } from "../src";

test("so many in all, and each place is given back once", () => {
  const caps = new ConnectionCaps({ inAll: 2, perAddress: 9 });
  const [first, second] = [caps.enter(), caps.enter()];
  expect(second).toBeDefined();
  expect(caps.enter()).toBeUndefined();
  first!();
  first!();
  expect(caps.enter()).toBeDefined();
  expect(caps.enter()).toBeUndefined();
});

test("so many of one address; of IPv6 of one network; the same machine is not counted", () => {
  const caps = new ConnectionCaps({ inAll: 1, perAddress: 2 });
  const leave = caps.enterFrom("192.0.2.1");
  expect(caps.enterFrom("::ffff:192.0.2.1")).toBeDefined();
  expect(caps.enterFrom("192.0.2.1")).toBeUndefined();
  expect(caps.enterFrom("192.0.2.2")).toBeDefined();
  leave!();
  expect(caps.enterFrom("192.0.2.1")).toBeDefined();
  for (const host of ["1", "2"]) expect(caps.enterFrom(`2001:db8::${host}`)).toBeDefined();
  expect(caps.enterFrom("2001:db8::3")).toBeUndefined();
  expect(caps.enterFrom("2001:db8:0:1::3")).toBeDefined();
  for (let i = 0; i < 9; i++) for (const own of ["127.0.0.1", "::1"]) expect(caps.enterFrom(own)).toBeDefined();
});
