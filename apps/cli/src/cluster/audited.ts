/** The acts of the command line in the audit log: who is the system user, from where is the machine. */
import { hostname, userInfo } from "node:os";
import { sleep } from "@carillon/base";
import type { AuditEntry, MysqlStore } from "@carillon/store";
import { visible } from "../output/print";

/** An act before its end; names as those of the api's routes. */
export interface ActNote {
  act: string;
  /** Several, when something is done to many users. */
  whom: string | string[];
  place?: string;
  details?: Record<string, unknown> | undefined;
}

/** Time that a command waits for the audit log, ms. */
const WRITE_MS = 3_000;

/**
 * Carries out an act, and adds it to the audit log with its result. An operator must be able to drain a node while MySQL is away:
 * when the log cannot take the entry, standard error says so, and the act counts all the same.
 * @param work may return, for each user, what became of them
 * @throws the error of `work`
 */
export async function audited<T>(
  store: { mysql(): Promise<Pick<MysqlStore, "auditLog">> },
  note: ActNote,
  work: () => Promise<T>,
): Promise<T> {
  try {
    const done = await work();
    await write(store, note, "ok", done instanceof Map ? done : new Map());
    return done;
  } catch (error) {
    await write(store, note, (error as Error).name, new Map());
    throw error;
  }
}

async function write(
  store: { mysql(): Promise<Pick<MysqlStore, "auditLog">> },
  { act, whom, place, details }: ActNote,
  result: string,
  states: ReadonlyMap<unknown, unknown>,
): Promise<void> {
  const common = { at: Date.now(), who: `shell:${systemUser()}`, from: hostname(), act, place, result };
  const entries = [whom].flat().map((one): AuditEntry => {
    const state = states.get(one.replace(/^user:/, ""));
    return { ...common, whom: one, details: state === undefined ? details : { ...details, state } };
  });
  const adding = store.mysql().then(({ auditLog }) => auditLog.add(entries));
  const failure = adding.then(
    () => undefined,
    (error: Error) => error.message || "MySQL is away",
  );
  const reason = await Promise.race([failure, sleep(WRITE_MS).then(() => "MySQL does not answer")]);
  if (reason !== undefined) process.stderr.write(`carillon: this act is not in the audit log: ${visible(reason)}\n`);
}

function systemUser(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run under a number without a name.
    return String(process.getuid?.() ?? "unknown");
  }
}
