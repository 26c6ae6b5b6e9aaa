/** Tells senders what became of their requests: SENT or ERROR, many frames per bus message. */
import { getOrSet } from "@carillon/base";
import type { Answer, LoggedEvent } from "@carillon/bus";
import { Command, decodeEvent, encodeFrame, encodeSentFrame } from "@carillon/protocol";
import type { Verdict } from "../decide/decision";
import type { Downlink } from "../ports";

export interface GatewayAnswers {
  replyTo: string;
  boot: string;
  answers: Answer[];
}

/** The answers by gateway and boot: an answer to a former boot's connection must not reach another's. */
export function answersByGateway(verdicts: Pick<Verdict, "origin" | "outcome">[]): GatewayAnswers[] {
  const groups = new Map<string, GatewayAnswers>();
  for (const { origin, outcome } of verdicts) {
    const { replyTo, boot, connection, requestId } = origin;
    const key = `${replyTo} ${boot}`;
    const group = getOrSet(groups, key, () => ({ replyTo, boot, answers: [] }));
    const frame =
      "sent" in outcome
        ? encodeSentFrame(requestId, outcome.sent)
        : encodeFrame(Command.ERROR, requestId, outcome.error.toPayload());
    group.answers.push({ connection, frame });
  }
  return [...groups.values()];
}

/** The answers to events that a former owner appended: it may have died before it told their senders. */
export function answersAgain(events: LoggedEvent[]): GatewayAnswers[] {
  // Changes of groups are not asked for by a connection.
  const asked = events.filter(({ version }) => version === undefined);
  return answersByGateway(
    asked.map(({ origin, event }) => {
      const { clientMsgId, conversationId, seq, messageId, sentAt } = decodeEvent(event);
      return { origin, outcome: { sent: { clientMsgId, conversationId, seq, messageId, sentAt } } };
    }),
  );
}

/** Each answer to the boot of the gateway whose connection asked. */
export function sendAnswers(downlink: Pick<Downlink, "answers">, all: GatewayAnswers[]): void {
  for (const { replyTo, boot, answers } of all) downlink.answers(replyTo, boot, answers);
}
