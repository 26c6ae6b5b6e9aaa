/** Look-ups in the whole error table, for servers. A bundler leaves it out of an app. */

import { type ErrorRow, errorTable } from "../generated/error-table";
import type { ErrorName } from "../generated/errors";
import { CarillonError } from "./errors";

const byName = new Map<string, ErrorRow>(errorTable.map((row) => [row.name, row]));
const byCode = new Map<number, ErrorRow>(errorTable.map((row) => [row.code, row]));

CarillonError.textOf = (name) => errorByName(name).text;

/** Returns the row of an error by name; undefined if there is none. */
export function errorByName(name: ErrorName): ErrorRow;
export function errorByName(name: string): ErrorRow | undefined;
export function errorByName(name: string): ErrorRow | undefined {
  return byName.get(name);
}

/** Returns the row of an error by number; undefined if there is none. */
export function errorByCode(code: number): ErrorRow | undefined {
  return byCode.get(code);
}

/** Returns the status of the HTTP answer; 500 for an error that this version does not know. */
export function httpStatusOf({ name }: CarillonError): number {
  return errorByName(name as string)?.httpStatus ?? 500;
}
