/**
 * What people mean by a name when they search for it: without case, accents, composition and punctuation. Pure.
 *
 * A name is found by the beginning of each of its words, so what is kept of it is the name from each word on: of
 * "Anna-Lena Ödön" that is `anna lena odon`, `lena odon` and `odon`. What is searched for is folded in the same way.
 */

/** Characters that are kept of an entry; an id or a name is no longer, and what folding adds at the end is not missed. */
const LONGEST = 64;

/**
 * Marks on letters of Latin, Greek and Cyrillic, and the vowel points of Hebrew and Arabic, which many leave out. Marks of
 * other scripts are letters to their readers.
 */
const ACCENTS = /[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670]/g;
const UNSEEN = /\p{Default_Ignorable_Code_Point}/gu;
const BETWEEN_WORDS = /[\p{White_Space}\p{P}\p{Cc}]+/gu;

/** Letters that Unicode does not take apart, as those write them who have no such key. */
const PLAIN: Readonly<Record<string, string>> = {
  æ: "ae",
  œ: "oe",
  ø: "o",
  ł: "l",
  đ: "d",
  ð: "d",
  þ: "th",
  ħ: "h",
  ŧ: "t",
  ı: "i",
  ς: "σ",
};
const NOT_PLAIN = new RegExp(`[${Object.keys(PLAIN).join("")}]`, "g");

/** @returns words of plain letters with one blank between them; nothing of what has no letter, number or sign */
export function fold(text: string): string {
  // Upper case first: only so is ß the same as ss.
  const small = text.normalize("NFKD").replace(ACCENTS, "").replace(UNSEEN, "").toUpperCase().toLowerCase();
  const plain = small
    .normalize("NFKD")
    .replace(ACCENTS, "")
    .replace(NOT_PLAIN, (letter) => PLAIN[letter]!);
  return cut(plain.normalize("NFKC").replace(BETWEEN_WORDS, " ").trim());
}

/** Under what a user is found: the id, and the name from each of its words on. */
export function entriesOf(userId: string, displayName: string): string[] {
  const words = fold(displayName).split(" ");
  const fromEachOn = words.map((_, place) => words.slice(place).join(" "));
  return [...new Set([fold(userId), ...fromEachOn])].filter((entry) => entry !== "");
}

function cut(text: string): string {
  return [...text].slice(0, LONGEST).join("").trimEnd();
}
