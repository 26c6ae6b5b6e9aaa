import { assertTimings } from "../src/index";

test("times that contradict each other are named, with the reason", () => {
  expect(() =>
    assertTimings([
      ["equal is allowed", 5, 5],
      ["so is less", 4, 5],
    ]),
  ).not.toThrow();
  expect(() =>
    assertTimings([
      ["a sender waits until a dead owner is replaced", 6_000, 5_000],
      ["so is less", 4, 5],
    ]),
  ).toThrow("6000 ms must not be more than 5000 ms: a sender waits until a dead owner is replaced");
});
