/**
 * Folds names for the search: without case, accents, composition and punctuation. Pure.
 *
 * The search finds a name by the beginning of each of its words, so its entries are the name from each word on: for
 * "Anna-Lena Ödön" these are `anna lena odon`, `lena odon` and `odon`. The searched text is folded in the same way.
 */

/** Maximum length of an entry; ids and names are not longer, and characters that folding adds beyond it do not matter. */
const LONGEST = 64;

/**
 * Marks on letters of Latin, Greek and Cyrillic, and the vowel points of Hebrew and Arabic, which many users leave out. Readers of
 * other scripts regard the marks as letters.
 */
const ACCENTS = /[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670]/g;
const UNSEEN = /\p{Default_Ignorable_Code_Point}/gu;
const BETWEEN_WORDS = /[\p{White_Space}\p{P}\p{Cc}]+/gu;

/** Replacements for letters that Unicode does not decompose, for users without such a key. */
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

/** @returns words of plain letters with one blank between them; empty for a text without letters, numbers and signs */
export function fold(text: string): string {
  // Upper case first, because only then ß equals ss.
  const small = text.normalize("NFKD").replace(ACCENTS, "").replace(UNSEEN, "").toUpperCase().toLowerCase();
  const plain = small
    .normalize("NFKD")
    .replace(ACCENTS, "")
    .replace(NOT_PLAIN, (letter) => PLAIN[letter]!);
  return cut(plain.normalize("NFKC").replace(BETWEEN_WORDS, " ").trim());
}

/** The search entries of a user: the id, and the name from each of its words on. */
export function entriesOf(userId: string, displayName: string): string[] {
  const words = fold(displayName).split(" ");
  const fromEachOn = words.map((_, place) => words.slice(place).join(" "));
  return [...new Set([fold(userId), ...fromEachOn])].filter((entry) => entry !== "");
}

function cut(text: string): string {
  return [...text].slice(0, LONGEST).join("").trimEnd();
}
