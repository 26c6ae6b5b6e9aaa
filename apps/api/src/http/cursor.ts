/** Cursors of lists: opaque to clients, the place behind the last row and what all pages share. */
import { CarillonError } from "@carillon/protocol";

/**
 * @param kind what the cursor belongs to: another list refuses it
 * @param fields numbers and texts
 */
export function writeCursor(kind: string, fields: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify([kind, ...fields])).toString("base64url");
}

/**
 * @param form type of each field
 * @throws CarillonError BAD_PAYLOAD when it is no cursor of this list
 */
export function readCursor(kind: string, form: readonly ("string" | "number")[], cursor: string): (string | number)[] {
  let fields: unknown;
  try {
    fields = JSON.parse(Buffer.from(cursor, "base64url").toString());
  } catch {
    fields = undefined;
  }
  if (Array.isArray(fields) && fields[0] === kind && fields.length === form.length + 1) {
    const values = fields.slice(1) as (string | number)[];
    if (values.every((value, i) => typeof value === form[i] && isStorable(value))) return values;
  }
  throw new CarillonError("BAD_PAYLOAD", "cursor: not one that this list has given");
}

/** Whether MySQL can compare it with ids and times: a client may have made up the cursor. */
function isStorable(value: string | number): boolean {
  return typeof value === "number" ? Number.isSafeInteger(value) : /^[\x20-\x7e]*$/.test(value);
}

/** The id behind which a list by ids goes on; "" is before all of them. */
export function readIdCursor(kind: string, cursor: string | undefined): string {
  return cursor === undefined ? "" : (readCursor(kind, ["string"], cursor)[0] as string);
}

/**
 * A page of a list by ids.
 * @param found one more than `limit` when the list goes on
 */
export function pageById<T>(
  kind: string,
  found: readonly T[],
  limit: number,
  idOf: (item: T) => string,
): { items: T[]; cursor?: string } {
  const items = found.slice(0, limit);
  return { items, ...(found.length > limit ? { cursor: writeCursor(kind, [idOf(items.at(-1)!)]) } : {}) };
}
