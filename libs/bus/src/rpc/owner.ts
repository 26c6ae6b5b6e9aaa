/** Asks and serves the questions of a partition's owner, each with the type of its own answer. */
import type { Bus } from "../connection";
import {
  OWNER_DEADLINES_MS,
  type OwnerAnswer,
  type OwnerAsk,
  type OwnerQuestion,
  type OwnerQuestions,
  ownerQuestion,
} from "../contracts/owners";
import { ask, askAll, type Handler, serve } from "./rpc";

/** A question to the owner, as `askOwner` takes it. */
export type AskedOwner<Ask extends OwnerAsk> = { ask: Ask } & OwnerQuestions[Ask]["question"];

/**
 * Asks the owner of a partition.
 * @throws CarillonError: the error of the owner; BUSY when no worker owns the partition or answers in time
 */
export async function askOwner<Ask extends OwnerAsk>(
  bus: Bus,
  partition: number,
  question: AskedOwner<Ask>,
  deadlineMs = OWNER_DEADLINES_MS[question.ask],
): Promise<OwnerAnswer<Ask>> {
  // Without a time of its own, the question has that of ownerQuestion.
  return ask(bus, ownerQuestion.to(partition), question as OwnerQuestion, deadlineMs);
}

/** Asks all workers that serve a partition: more than one of them may take itself for the owner. @param waitMs as `askAll` */
export async function askOwners<Ask extends OwnerAsk>(
  bus: Bus,
  partition: number,
  question: AskedOwner<Ask>,
  waitMs: number,
): Promise<OwnerAnswer<Ask>[]> {
  return askAll(bus, ownerQuestion.to(partition), question as OwnerQuestion, waitMs);
}

/** A handler for each question. */
export type OwnerHandlers = { [Ask in OwnerAsk]: Handler<OwnerQuestions[Ask]["question"], OwnerAnswer<Ask>> };

/** Serves the questions to the owner of a partition. @returns a function that stops serving */
export function serveOwner(bus: Bus, partition: number, handlers: OwnerHandlers): () => void {
  return serve(bus, ownerQuestion.to(partition), async (question, deadline) => {
    // A process of a later version may ask what this one does not know.
    if (!Object.hasOwn(handlers, question.ask)) return null;
    const handler = handlers[question.ask] as Handler<OwnerQuestion, OwnerAnswer>;
    return handler(question, deadline);
  });
}
