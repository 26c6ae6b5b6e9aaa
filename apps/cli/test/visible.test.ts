import { tableOf, terminalJson, terminalText, visible, visibleParts } from "../src/output/print";

/** The clipboard is filled, the screen cleared, a row faked, the line turned around; each once by C1, too. */
const ATTACKS = [
  "\u001b]52;c;aGk=\u0007",
  "\u001b[2J\u001b[H",
  "bob\nroot  operator",
  "\u202etxt.exe",
  "\u009b2J",
  "\u007f\u0000",
];
/** What does something to a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const DANGEROUS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

test.each(ATTACKS)("%j is shown and not done", (attack) => {
  expect(visible(attack)).not.toMatch(DANGEROUS);
  expect(JSON.stringify(visibleParts({ rows: [{ [attack]: attack }] }))).not.toMatch(DANGEROUS);
  expect(terminalJson({ [attack]: attack })).not.toMatch(DANGEROUS);
  expect(JSON.parse(terminalJson({ [attack]: attack }))).toEqual({ [attack]: attack });
  expect(terminalText(attack).replaceAll("\n", "")).not.toMatch(DANGEROUS);
});

test("pictures say what was there, and all else stays", () => {
  expect(visible("a\u001b[2J\n\t\u007f\u009b\u202e\ud800b")).toBe("a␛[2J␊␉␡<U+009B><U+202E><U+D800>b");
  for (const text of ["Anna", "王小明", "نامه‌ای", "👩‍👩‍👧", "\u200fعلي"]) expect(visible(text)).toBe(text);
});

test("our own colours and lines stay, also beside an attack", () => {
  const ours = "\u001b[31mred\u001b[39m\tnext\n\u001b[1;31mbold\u001b[0m\n";
  expect(terminalText(ours)).toBe(ours);
  expect(terminalText(`\u001b[31m${visible(ATTACKS[0]!)}\u001b[39m\n`)).toBe("\u001b[31m␛]52;c;aGk=␇\u001b[39m\n");
});

test("a table has as many rows as it was given", () => {
  const rows = visibleParts(ATTACKS.map((attack) => [attack, "user"]));
  expect(
    terminalText(tableOf(["name", "role"], rows))
      .trimEnd()
      .split("\n"),
  ).toHaveLength(ATTACKS.length + 1);
});
