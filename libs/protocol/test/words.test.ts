import { displayNameFault, nameFault, noticeFault, remarkFault } from "../src/index";

test.each(["Anna", "王小明", "علي", "O'Brien-Müller", "👩‍👩‍👧", "نامه‌ای", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", " x ", "a\u0301", "\u200fعلي", "1"])(
  "%s is a name",
  (name) => {
    for (const check of [nameFault, displayNameFault, remarkFault, noticeFault]) expect(check(name)).toBeUndefined();
  },
);

test.each([
  ["nothing", ""],
  ["blanks", "  \u00a0\u3000"],
  ["zero width", "\u200b\u200d\ufeff"],
  ["Hangul fillers", "\u3164\u115f\uffa0"],
  ["the blank of Braille", "\u2800\u2800"],
  ["variation selectors", "\ufe0f"],
  ["soft hyphens", "\u00ad"],
])("%s cannot be seen", (_name, text) => {
  expect(nameFault(text)).toMatch("seen");
  expect(remarkFault(text) === undefined).toBe(text === "");
  expect(noticeFault(text)).toBeUndefined();
});

test.each(["\u0000", "a\u001b]52;c;x\u0007", "a\u007f", "a\u009b2J", "a\u202eb", "a\u2066b", "a\u2028b", "a\u2029b"])(
  "%j is refused everywhere",
  (text) => {
    for (const check of [nameFault, displayNameFault, remarkFault, noticeFault]) expect(check(text)).toMatch("control");
  },
);

test("only notices may contain lines and tabs", () => {
  for (const text of ["a\nb", "a\r\nb", "a\tb"]) {
    expect(noticeFault(text)).toBeUndefined();
    for (const check of [nameFault, displayNameFault, remarkFault]) expect(check(text)).toMatch("control");
  }
});

test("half of a surrogate pair is refused everywhere", () => {
  for (const check of [nameFault, displayNameFault, remarkFault, noticeFault]) {
    for (const text of ["\ud83d", "a\ude00b", "\ude00\ud83d"]) expect(check(text)).toMatch("surrogate");
  }
});

test("no user may have the name of deleted accounts", () => {
  for (const name of [
    "deleted user",
    "Deleted User",
    " deleted\u00a0user ",
    "deleted\u200b user",
    "ｄｅｌｅｔｅｄ user",
  ]) {
    expect(displayNameFault(name)).toMatch("deleted");
    expect(nameFault(name)).toBeUndefined();
  }
  expect(displayNameFault("undeleted users")).toBeUndefined();
});
