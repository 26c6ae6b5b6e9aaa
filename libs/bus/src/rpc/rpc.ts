/**
 * Questions and answers over core NATS: a question is [version, deadline, body], an answer [version, 0, body] or
 * [version, code, message, retryAfterMs]. A question whose deadline is over before its work begins is dropped without an
 * answer: its asker no longer waits, and the work would only delay others. Work that costs more than memory is served with an
 * admission, whose queue checks the deadline again.
 */
import { Abandoned, type Admission, Overloaded, sleep } from "@carillon/base";
import { busy, CarillonError, errorByCode } from "@carillon/protocol";
import { type Msg, RequestError, TimeoutError } from "@nats-io/transport-node";
import type { Bus } from "../connection";
import type { Question } from "../contracts/question";
import { ENVELOPE_VERSION, pack, unpackEnvelope } from "../envelopes/codec";
import { subscribe } from "../subscription";

/** Times after which an order is repeated, ms: without an answer, and when no process serves it. */
const ORDER_AGAIN_MS = 500;
const ABSENT_MS = 100;

/**
 * Asks a process that serves the question.
 * @throws CarillonError: the error of the server; BUSY when no process serves the question or answers in time
 */
export async function ask<Q, A>(
  bus: Bus,
  question: Question<Q, A>,
  body: NoInfer<Q>,
  deadlineMs: number = question.deadlineMs,
): Promise<A> {
  const { subject } = question;
  const bytes = pack([ENVELOPE_VERSION, bus.clock.now() + deadlineMs, body]);
  let answer: Msg;
  try {
    answer = await bus.connection.request(subject, bytes, { timeout: deadlineMs });
  } catch (error) {
    throw busy({ message: unreachable(subject, error as Error) });
  }
  const [, code, result, retryAfterMs] = unpackEnvelope(answer.data) as [number, number, unknown, number?];
  if (code === 0) return result as A;
  throw new CarillonError(errorByCode(code)?.name ?? "INTERNAL", result as string, {
    ...(retryAfterMs == null ? {} : { retryAfterMs }),
  });
}

function unreachable(subject: string, error: Error): string {
  if (error instanceof RequestError && error.isNoResponders()) return `nobody serves ${subject} at the moment`;
  if (error instanceof TimeoutError) return `no answer from ${subject}`;
  return `cannot ask ${subject}: ${error.message}`;
}

/** Asks all processes that serve the question and collects the answers of `waitMs`, without refusals and other formats. */
export async function askAll<Q, A>(
  bus: Bus,
  { subject }: Question<Q, A>,
  body: NoInfer<Q>,
  waitMs: number,
): Promise<A[]> {
  const bytes = pack([ENVELOPE_VERSION, bus.clock.now() + waitMs, body]);
  const answers: A[] = [];
  for await (const message of await bus.connection.requestMany(subject, bytes, {
    strategy: "timer",
    maxWait: waitMs,
  })) {
    // When no process serves the subject, NATS itself answers with an empty message.
    if (message.data.length === 0) break;
    const [, code, result] = unpackEnvelope(message.data) as [number, number, unknown];
    if (code === 0) answers.push(result as A);
  }
  return answers;
}

/** Sends a message to the processes that serve the question, without an answer; the message may be lost. */
export function notify<Q, A>(bus: Bus, { subject }: Question<Q, A>, message: NoInfer<Q>): void {
  if (bus.connection.isClosed()) return;
  bus.connection.publish(subject, pack([ENVELOPE_VERSION, Number.MAX_SAFE_INTEGER, message]));
}

/**
 * Repeats an order until a node has executed it. A node executes an order however late it reads it, so an order must do no harm
 * when it arrives twice.
 * @returns false when no node confirmed within `ms`
 */
export async function order<Q, A>(
  bus: Bus,
  { subject }: Question<Q, A>,
  body: NoInfer<Q>,
  ms: number,
): Promise<boolean> {
  const bytes = pack([ENVELOPE_VERSION, Number.MAX_SAFE_INTEGER, body]);
  const deadline = performance.now() + ms;
  while (!bus.connection.isClosed()) {
    const left = deadline - performance.now();
    if (left <= 0) return false;
    const asking = bus.connection.request(subject, bytes, { timeout: Math.min(left, ORDER_AGAIN_MS) });
    const answer = await asking.catch(() => undefined);
    if (answer !== undefined && unpackEnvelope(answer.data)[1] === 0) return true;
    await sleep(ABSENT_MS);
  }
  return false;
}

/** @param deadline ms on the monotonic clock after which nobody waits for the answer */
export type Handler<Q, A> = (question: Q, deadline: number) => Promise<A> | A;

export interface ServeOptions<Q> {
  /** In a queue group one server answers; without a group all servers answer. */
  queue?: string;
  /** Limits the work, and refuses too much of it with BUSY; absent: each question begins at once. */
  admission?: Admission;
  /** The key of a question, for the limits of an admission per key. */
  keyOf?(question: Q): string;
}

/**
 * Serves a question.
 * A CarillonError of the handler goes to the asker; any other error is logged and becomes INTERNAL.
 * @returns a function that stops serving
 */
export function serve<Q, A>(
  bus: Bus,
  { subject }: Question<Q, A>,
  handler: Handler<Q, A>,
  options: ServeOptions<Q> = {},
): () => void {
  return subscribe(bus, subject, (message) => answerOne(bus, subject, handler, options, message), options.queue);
}

async function answerOne<Q, A>(
  bus: Bus,
  subject: string,
  handler: Handler<Q, A>,
  { admission, keyOf }: ServeOptions<Q>,
  message: Msg,
): Promise<void> {
  try {
    const [, givenUpAt, question] = unpackEnvelope(message.data) as [number, number, Q];
    const left = givenUpAt - bus.clock.now();
    if (left < 0) return;
    const deadline = bus.clock.monotonic() + left;
    const work = async () => handler(question, deadline);
    const body = await (admission === undefined ? work() : admission.run(work, { key: keyOf?.(question), deadline }));
    message.respond(pack([ENVELOPE_VERSION, 0, body ?? null]));
  } catch (error) {
    if (error instanceof Abandoned) return;
    const known = knownError(error);
    if (known.name === "INTERNAL") bus.logger.error({ subject, err: error }, "a question failed");
    message.respond(pack([ENVELOPE_VERSION, known.code, known.message, known.retryAfterMs ?? null]));
  }
}

function knownError(error: unknown): CarillonError {
  if (error instanceof CarillonError) return error;
  if (error instanceof Overloaded) return busy({ retryAfterMs: error.retryAfterMs });
  return new CarillonError("INTERNAL", "internal error");
}
