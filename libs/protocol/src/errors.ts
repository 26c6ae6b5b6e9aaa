/** Look-ups in the error table, and the error that is thrown wherever one of its rows applies. */
import { wellFormed } from "./codec/utf8";
import { ErrorCode, type ErrorName, type ErrorRow, errorTable, type Retry } from "./generated/errors";
import type { ErrorPayload } from "./generated/payloads";

const LONGEST_MESSAGE = 1_024;

const byName = new Map<string, ErrorRow>(errorTable.map((row) => [row.name, row]));
const byCode = new Map<number, ErrorRow>(errorTable.map((row) => [row.code, row]));

/** The row of an error, or undefined when the name is none. */
export function errorByName(name: ErrorName): ErrorRow;
export function errorByName(name: string): ErrorRow | undefined;
export function errorByName(name: string): ErrorRow | undefined {
  return byName.get(name);
}

/** The row of an error, or undefined when the number is none. */
export function errorByCode(code: number): ErrorRow | undefined {
  return byCode.get(code);
}

/** A refusal that the other side understands: an ERROR frame or an HTTP error body. */
export class CarillonError extends Error {
  /** Number in the error table. */
  readonly code: number;
  /** Name in the error table; one that a newer server has added stays as it came. */
  override readonly name: string;
  /** When trying again makes sense, ms; undefined where the answer did not say. */
  readonly retryAfterMs: number | undefined;

  /**
   * @param name row of the error table
   * @param message for people; the table's text by default. It may quote what a client sent: it is made well-formed, and
   * cut at 1,024 characters, so that every answer can carry it
   * @param options.retryAfterMs when trying again makes sense, in ms
   */
  constructor(name: ErrorName, message?: string, options: { retryAfterMs?: number; cause?: unknown } = {}) {
    super(
      wellFormed((message ?? errorByName(name).text).slice(0, LONGEST_MESSAGE)),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = name;
    this.code = ErrorCode[name];
    this.retryAfterMs = options.retryAfterMs;
  }

  /** What an ERROR frame or an HTTP body said. */
  static fromPayload(payload: ErrorPayload): CarillonError {
    const { code, name, message, retryAfterMs } = payload;
    const error = new CarillonError(errorByName(name)?.name ?? "INTERNAL", message, { retryAfterMs });
    return Object.assign(error, { code, name });
  }

  /** The status of the HTTP answer; 500 for an error that this version does not know. */
  get httpStatus(): number {
    return errorByName(this.name)?.httpStatus ?? 500;
  }

  /** Whether and how the request may be repeated; `later` for an error that this version does not know. */
  get retry(): Retry {
    return errorByName(this.name)?.retry ?? "later";
  }

  /** The payload of an ERROR frame, also the body of an HTTP error. */
  toPayload(): ErrorPayload {
    const { code, name, message, retryAfterMs } = this;
    return retryAfterMs === undefined ? { code, name, message } : { code, name, message, retryAfterMs };
  }
}
