/**
 * The rules for names that other users see: a name has a visible character, and no character that changes how the text around it
 * looks. Joiners (ZWJ, ZWNJ) are allowed, because scripts and emoji need them.
 */
import { utf8Length } from "./codec/utf8";

/** Control characters, line and paragraph separators, and characters that reverse the direction of the following text. */
const CONTROLS = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u;
/** The same characters without those that make lines. */
const CONTROLS_BUT_LINES = /(?![\t\n\r])[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u;
/** A visible character: no blank and no invisible character. The Braille blank is a symbol by its Unicode category. */
const VISIBLE = /(?!\u2800)[^\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\p{Cs}]/u;

/** The name that apps show for deleted accounts; no user may have it. */
export const DELETED_USER = "deleted user";

/** @returns what is wrong with a name of a person, a group or a key, or undefined */
export function nameFault(name: string): string | undefined {
  return textFault(name, CONTROLS) ?? (VISIBLE.test(name) ? undefined : "must have something that can be seen");
}

/** As `nameFault`, for the name of a user: it must not be the name of deleted accounts. */
export function displayNameFault(name: string): string | undefined {
  const folded = name.normalize("NFKC").replace(/[\p{White_Space}\p{Default_Ignorable_Code_Point}]+/gu, " ");
  return (
    nameFault(name) ?? (folded.trim().toLowerCase() === DELETED_USER ? "is how deleted users are shown" : undefined)
  );
}

/** As `nameFault`, for a remark about a user, which may be empty. */
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
