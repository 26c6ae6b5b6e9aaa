import {
  encodeSystemContent,
  limits,
  parseSystemContent,
  type SystemContent,
  splitSystemContent,
  utf8Length,
} from "../src/index";

const users = (count: number, length = 64) => Array.from({ length: count }, (_, i) => `${i}`.padStart(length, "u"));

test.each(["created", "joined", "removed"] as const)(
  "%s of many is several events that fit, and nobody is left out",
  (type) => {
    for (const count of [0, 1, 243, 244, 245, 500, 5_000]) {
      const parts = splitSystemContent({ type, userIds: users(count) });
      const named = parts.flatMap((part) => ("userIds" in part ? part.userIds : []));
      expect(named).toEqual(users(count));
      expect(parts.map((part) => part.type).slice(1)).toEqual(
        Array(parts.length - 1).fill(type === "created" ? "joined" : type),
      );
      expect(parts[0]!.type).toBe(type);
      for (const part of parts) {
        const text = encodeSystemContent(part);
        expect(utf8Length(text)).toBeLessThanOrEqual(limits.maxContentBytes);
        expect(parseSystemContent(text)).toEqual(part);
      }
    }
  },
);

test("a change that fits stays one event", () => {
  for (const content of [
    { type: "left" },
    { type: "created", userIds: users(240) },
    { type: "profile", name: "\u0001".repeat(64), notice: "\u0001".repeat(1_024) },
  ] satisfies SystemContent[]) {
    expect(splitSystemContent(content)).toEqual([content]);
    expect(utf8Length(encodeSystemContent(content))).toBeLessThanOrEqual(limits.maxContentBytes);
  }
});

test("an event that no device could read is refused", () => {
  expect(() => encodeSystemContent({ type: "created", userIds: users(500) })).toThrow(RangeError);
});
