import { entriesOf, fold } from "../src/mysql/people/folding";

test.each([
  ["Ödön", "odon"],
  ["O\u0308do\u0308n", "odon"],
  ["  Anna   Lena ", "anna lena"],
  ["Jean-Pierre O'Brien", "jean pierre o brien"],
  ["STRASSE", "strasse"],
  ["Straße", "strasse"],
  ["ﬁn", "fin"],
  ["Åse Bjørn Łukasz", "ase bjorn lukasz"],
  ["ΟΔΟΣ", "οδοσ"],
  ["οδός", "οδοσ"],
  ["Пётр", "петр"],
  ["İstanbul ılık", "istanbul ilik"],
  ["ＡＢＣ\u200b１", "abc1"],
  ["김민수", "김민수"],
  ["ガ", "ガ"],
  ["की", "की"],
  ["🎵 DJ", "🎵 dj"],
  ["auth0|5f.a_B", "auth0|5f a b"],
  ["100%", "100"],
  ["%_\\ \t", ""],
])("%s is searched as %s", (text, folded) => {
  expect(fold(text)).toBe(folded);
  expect(fold(folded)).toBe(folded);
});

test("the two ways to write an accent are one", () => {
  for (const name of ["Ödön", "Nguyễn", "Ångström", "한글", "ガ"]) {
    expect(fold(name.normalize("NFD"))).toBe(fold(name.normalize("NFC")));
  }
});

test("a user is found by the id and from each word of the name on, each once", () => {
  expect(entriesOf("a-lena", "Anna-Lena Ödön")).toEqual(["a lena", "anna lena odon", "lena odon", "odon"]);
  expect(entriesOf("zoe", "Zoe")).toEqual(["zoe"]);
  expect(entriesOf("x1", "...")).toEqual(["x1"]);
});

test("the longest names have entries of at most 64 characters, at most 33 of them", () => {
  for (const name of ["\u{1f3b5}".repeat(64), "ﷺ".repeat(64), "a ".repeat(32), "ß".repeat(64), "각".repeat(64)]) {
    const entries = entriesOf("someone", name);
    expect(entries.length).toBeLessThanOrEqual(33);
    for (const entry of entries) expect([...entry].length).toBeLessThanOrEqual(64);
  }
});
