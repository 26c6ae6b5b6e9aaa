/**
 * What may stand in a name that others are shown: something that can be seen, and nothing that makes the text around it look
 * other than it is. Joiners (ZWJ, ZWNJ) stay, since scripts and emoji need them.
 */
import { utf8Length } from "./codec/utf8";

/** Controls, separators of lines and paragraphs, and what turns the direction of the text behind it around. */
const CONTROLS = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u;
/** The same without what lines are made of. */
const CONTROLS_BUT_LINES = /(?![\t\n\r])[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u;
/** Neither a blank, nor something that shows nothing by itself; the blank of Braille is none by its kind. */
const VISIBLE = /(?!\u2800)[^\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\p{Cs}]/u;

/** How people are shown whose account is gone: nobody else may be called so. */
export const DELETED_USER = "deleted user";

/** @returns what is wrong with a name of a person, a group or a key, or undefined */
export function nameFault(name: string): string | undefined {
  return textFault(name, CONTROLS) ?? (VISIBLE.test(name) ? undefined : "must have something that can be seen");
}

/** As nameFault, for what a person is called: not as those who are gone. */
export function displayNameFault(name: string): string | undefined {
  const folded = name.normalize("NFKC").replace(/[\p{White_Space}\p{Default_Ignorable_Code_Point}]+/gu, " ");
  return (
    nameFault(name) ?? (folded.trim().toLowerCase() === DELETED_USER ? "is how deleted users are shown" : undefined)
  );
}

/** As nameFault, for what may be empty: a remark about somebody. */
export function remarkFault(remark: string): string | undefined {
  return remark === "" ? undefined : nameFault(remark);
}

/** @returns what is wrong with a notice, which may have lines and may be empty, or undefined */
export function noticeFault(notice: string): string | undefined {
  return textFault(notice, CONTROLS_BUT_LINES);
}

function textFault(text: string, forbidden: RegExp): string | undefined {
  if (utf8Length(text) < 0) return "has half of a surrogate pair";
  return forbidden.test(text) ? "has control characters, or turns the direction of text around" : undefined;
}
