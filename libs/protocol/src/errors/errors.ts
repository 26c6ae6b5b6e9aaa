/** The error for each row of the error table. */
import { wellFormed } from "../codec/utf8";
import { ErrorCode, type ErrorName, type Retry, retries } from "../generated/errors";
import type { ErrorPayload } from "../generated/payloads";

const LONGEST_MESSAGE = 1_024;

/** Whether a text is the name of an error that this version knows. */
const isErrorName = (name: string): name is ErrorName => Object.hasOwn(ErrorCode, name);

/** A refusal that the other side understands: an ERROR frame or the body of an HTTP error. */
export class CarillonError extends Error {
  /**
   * Returns the message of an error that is created without one. An app needs no table for it: the server's errors carry theirs.
   */
  static textOf = (name: ErrorName): string => name.toLowerCase().replaceAll("_", " ");
  /** The number in the error table. */
  readonly code: number;
  /** The name in the error table; the name of an unknown error of a newer server stays as it is. */
  override readonly name: string;
  /** The delay after which another attempt makes sense, ms; undefined if the answer named none. */
  readonly retryAfterMs: number | undefined;

  /**
   * @param name the name of a row of the error table
   * @param message for people; default: the text of the table. It may quote what a client sent: it is made well-formed and
   *   cut at 1,024 characters, so that every answer can carry it
   * @param options.retryAfterMs the delay after which another attempt makes sense, ms
   */
  constructor(name: ErrorName, message?: string, options: { retryAfterMs?: number; cause?: unknown } = {}) {
    super(
      wellFormed((message ?? CarillonError.textOf(name)).slice(0, LONGEST_MESSAGE)),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = name;
    this.code = ErrorCode[name];
    this.retryAfterMs = options.retryAfterMs;
  }

  /** Creates the error from an ERROR frame or the body of an HTTP error. */
  static fromPayload(payload: ErrorPayload): CarillonError {
    const { code, name, message, retryAfterMs } = payload;
    const error = new CarillonError(isErrorName(name) ? name : "INTERNAL", message, { retryAfterMs });
    return Object.assign(error, { code, name });
  }

  /** Whether and how the request may be repeated; `later` for an error that this version does not know. */
  get retry(): Retry {
    return isErrorName(this.name) ? (retries[this.name] ?? "never") : "later";
  }

  /** Returns the payload of an ERROR frame, which is also the body of an HTTP error. */
  toPayload(): ErrorPayload {
    const { code, name, message, retryAfterMs } = this;
    return retryAfterMs === undefined ? { code, name, message } : { code, name, message, retryAfterMs };
  }
}
