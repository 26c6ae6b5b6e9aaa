/**
 * Makes users searchable whom an api of the version before, or an operator's SQL, has created. After an upgrade these are all
 * users; otherwise there is nothing to do.
 */
import { sleep } from "@carillon/base";
import type { NameQueries } from "@carillon/store";

export const FILE_USERS_FIRST_MS = 1_000;
export const FILE_USERS_EVERY_MS = 60_000;

const AT_ONCE = 200;
/** Between two steps: others wait for the database. */
const PAUSE_MS = 20;

export async function fileUsers(
  { names }: { names: Pick<NameQueries, "fileNew"> },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted && (await names.fileNew(AT_ONCE)) > 0) await sleep(PAUSE_MS, signal);
}
