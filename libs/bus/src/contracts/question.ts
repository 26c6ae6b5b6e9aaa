/**
 * A question of one process to others is one value. It holds the subject on which the question is sent, the types of the
 * question and of its answer, and the time for the answer; asker and server both take them from here (rpc/rpc.ts). The keys of
 * a question and of an answer are bytes that processes of two versions exchange: a renamed key is another key.
 */
import { rpcSubject } from "../streams/definitions";
import { TIMINGS } from "../timings";

export interface Question<Q, A> {
  readonly subject: string;
  /** Time for the answer, ms, unless the asker names another time. */
  readonly deadlineMs: number;
  /** Holds the two types together; no value has it. */
  readonly types?: (question: Q) => A;
}

/** A question of which each process, or each partition, has a subject of its own. */
export interface QuestionTo<Place extends unknown[], Q, A> {
  to(...place: Place): Question<Q, A>;
}

export interface QuestionOptions {
  /** Default: 3 s. */
  deadlineMs?: number;
}

/** @param name the end of the subject, after `im.rpc.` */
export function question<Q, A>(name: string, options: QuestionOptions = {}): Question<Q, A> {
  return questionOn(rpcSubject(name), options);
}

/** @param subjectOf returns the whole subject of a place */
export function questionTo<Place extends unknown[], Q, A>(
  subjectOf: (...place: Place) => string,
  options: QuestionOptions = {},
): QuestionTo<Place, Q, A> {
  return { to: (...place) => questionOn(subjectOf(...place), options) };
}

function questionOn<Q, A>(subject: string, { deadlineMs = TIMINGS.answerMs }: QuestionOptions): Question<Q, A> {
  return { subject, deadlineMs };
}
