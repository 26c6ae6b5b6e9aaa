/** The error that is thrown wherever a row of the error table applies. */
import { wellFormed } from "../codec/utf8";
import { ErrorCode, type ErrorName, type Retry, retries } from "../generated/errors";
import type { ErrorPayload } from "../generated/payloads";

const LONGEST_MESSAGE = 1_024;

/** Whether it is the name of an error that this version knows. */
const isErrorName = (name: string): name is ErrorName => Object.hasOwn(ErrorCode, name);

/** A refusal that the other side understands: an ERROR frame or an HTTP error body. */
export class CarillonError extends Error {
  /** What an error says that is given no message; an app does without: what it is told has the server's words. */
  static textOf = (name: ErrorName): string => name.toLowerCase().replaceAll("_", " ");
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
      wellFormed((message ?? CarillonError.textOf(name)).slice(0, LONGEST_MESSAGE)),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = name;
    this.code = ErrorCode[name];
    this.retryAfterMs = options.retryAfterMs;
  }

  /** What an ERROR frame or an HTTP body said. */
  static fromPayload(payload: ErrorPayload): CarillonError {
    const { code, name, message, retryAfterMs } = payload;
    const error = new CarillonError(isErrorName(name) ? name : "INTERNAL", message, { retryAfterMs });
    return Object.assign(error, { code, name });
  }

  /** Whether and how the request may be repeated; `later` for an error that this version does not know. */
  get retry(): Retry {
    return isErrorName(this.name) ? (retries[this.name] ?? "never") : "later";
  }

  /** The payload of an ERROR frame, also the body of an HTTP error. */
  toPayload(): ErrorPayload {
    const { code, name, message, retryAfterMs } = this;
    return retryAfterMs === undefined ? { code, name, message } : { code, name, message, retryAfterMs };
  }
}
