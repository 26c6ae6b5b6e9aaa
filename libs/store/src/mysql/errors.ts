/** The meanings of the MySQL client's errors. */
import { Abandoned, DeadlineExceeded, Overloaded, Unanswered } from "@carillon/base";
import { busy, type CarillonError } from "@carillon/protocol";

/** Codes of errors of the server or of the path to it, not of the statement. */
const AWAY = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "PROTOCOL_CONNECTION_LOST",
  "PROTOCOL_SEQUENCE_TIMEOUT",
  "ER_CON_COUNT_ERROR",
  "ER_TOO_MANY_USER_CONNECTIONS",
  "ER_SERVER_SHUTDOWN",
  "ER_NORMAL_SHUTDOWN",
  "ER_CONNECTION_KILLED",
  "ER_OPTION_PREVENTS_STATEMENT",
  "ER_LOCK_WAIT_TIMEOUT",
  "ER_LOCK_DEADLOCK",
]);

/** Errors after which the statement was not sent, or nobody waited for its answer. */
const NOT_ASKED = [DeadlineExceeded, Overloaded, Abandoned, Unanswered];

interface ClientError extends Error {
  code?: string;
  fatal?: boolean;
  /** TypeORM wraps the driver's error. */
  driverError?: ClientError;
}

function codeOf(error: unknown): string | undefined {
  const { code, driverError } = (error ?? {}) as ClientError;
  return driverError?.code ?? code;
}

/** Whether MySQL is away or overloaded: the same call may succeed later. */
export function isStoreUnavailable(error: unknown): boolean {
  if (NOT_ASKED.some((kind) => error instanceof kind)) return true;
  const { fatal, driverError } = (error ?? {}) as ClientError;
  return AWAY.has(codeOf(error) ?? "") || fatal === true || driverError?.fatal === true;
}

/**
 * Converts an error of an absent or overloaded MySQL: the asker did nothing wrong and should come back later.
 * @returns undefined for any other error
 */
export function busyStore(error: unknown): CarillonError | undefined {
  if (!isStoreUnavailable(error)) return undefined;
  return busy({ cause: error, ...(error instanceof Overloaded ? { retryAfterMs: error.retryAfterMs } : {}) });
}

/** Codes with which the server refuses the values of a row for good. An existing key is not one of them. */
const REFUSED_VALUES = new Set([
  "ER_DATA_TOO_LONG",
  "ER_WARN_DATA_OUT_OF_RANGE",
  "ER_TRUNCATED_WRONG_VALUE",
  "ER_TRUNCATED_WRONG_VALUE_FOR_FIELD",
  "ER_BAD_NULL_ERROR",
  "ER_INVALID_CHARACTER_STRING",
  "ER_CANNOT_CONVERT_STRING",
  "ER_CONSTRAINT_FAILED",
  "ER_CHECK_CONSTRAINT_VIOLATED",
  "ER_SIGNAL_EXCEPTION",
]);

/** Whether the server refuses the values of a statement for good. */
export function isRefusedValue(error: unknown): boolean {
  return REFUSED_VALUES.has(codeOf(error) ?? "");
}

/** Whether a row with this key exists already. */
export function isDuplicate(error: unknown): boolean {
  return codeOf(error) === "ER_DUP_ENTRY";
}

/** Whether an INSERT created its row; false: a row with its key exists already. @throws any other error of the statement */
export async function isInserted(insert: Promise<unknown>): Promise<boolean> {
  try {
    await insert;
    return true;
  } catch (error) {
    if (isDuplicate(error)) return false;
    throw error;
  }
}

/** Whether the server chose this transaction as the victim of a deadlock: nothing was done. */
export function isDeadlock(error: unknown): boolean {
  return codeOf(error) === "ER_LOCK_DEADLOCK";
}

/** Whether the answer of the server is missing, so that a commit may have happened. */
export function isQueryTimeout(error: unknown): boolean {
  return codeOf(error) === "PROTOCOL_SEQUENCE_TIMEOUT";
}
