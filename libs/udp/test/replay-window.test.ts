import fc from "fast-check";
import { ReplayWindow } from "../src/replay-window";
import { udp } from "../src/sizes";

test("a number counts once, if it is not too old", () => {
  const steps = fc.array(fc.oneof(fc.integer({ min: -1_100, max: 5 }), fc.integer({ min: 0, max: 3_000 })), {
    maxLength: 300,
  });
  fc.assert(
    fc.property(steps, (distances) => {
      const window = new ReplayWindow();
      const seen = new Set<number>();
      let highest = -1;
      for (const distance of distances) {
        const number = Math.max(0, highest + distance);
        const expected = number > highest || (number > highest - udp.replayNumbers && !seen.has(number));
        expect(window.isNew(number)).toBe(expected);
        if (!expected) continue;
        window.add(number);
        seen.add(number);
        highest = Math.max(highest, number);
        expect(window.highest).toBe(highest);
      }
    }),
  );
});

test("numbers beyond 32 bits are told apart", () => {
  const window = new ReplayWindow();
  window.add(2 ** 40);
  expect([window.isNew(2 ** 40), window.isNew(2 ** 40 - 1), window.isNew(2 ** 40 + 1)]).toEqual([false, true, true]);
});
