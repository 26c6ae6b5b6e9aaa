/**
 * Times on which processes of different roles rely, ms. A role that changed one of them alone would break a promise of
 * another role, so they stand here together, and their order is asserted when a process starts.
 */
import { assertTimings } from "@carillon/base";

export const TIMINGS = {
  /** Who asks a question over NATS waits so long for the answer, unless they say otherwise. */
  answerMs: 3_000,
  /** A worker begins to open a session within this time, or answers BUSY. */
  openSessionMs: 2_500,
  /** A CONNECT waits at its gateway for its turn, at most. */
  connectTurnMs: 7_000,
  /** From the arrival of a CONNECT until its device is registered, at most; a client waits so long for CONNECTED. */
  connectMs: 10_000,
  /** A sender of the downlink tells each gateway that it is there. */
  linkTickMs: 2_000,
  /** A gateway takes a link on which it has heard nothing for so long for broken. */
  linkSilenceMs: 5_000,
  /** A worker gathers marks (read, delivered) before it writes them to MySQL. */
  gatherMarksMs: 5_000,
  /** A gateway that may have lost updates of marks tells its devices after this time that they should ask. */
  noticeRepairMs: 7_000,
  /** A gateway repeats what was delivered when no worker has confirmed it for so long. */
  deliveredAnswerMs: 15_000,
  /** A worker believes relations, blocks and groups that it has read for so long, unless it hears of a change. */
  factsFreshMs: 30_000,
  /** A gateway asks once more who may see whom, when news of relations may have been lost. */
  watchAgainMs: 35_000,
  /** A sender (docs/protocol.md; the SDK) repeats a message that has had no answer for so long. */
  senderWaitsMs: 5_000,
  /** A partition whose owner has died is in other hands within this time. */
  takeOverMs: 3_000,
} as const;

assertTimings([
  ["a worker that refuses to open a session must be heard", TIMINGS.openSessionMs, TIMINGS.answerMs],
  [
    "news of marks goes to devices that registered since they were written",
    TIMINGS.connectTurnMs + TIMINGS.answerMs,
    TIMINGS.connectMs,
  ],
  ["one lost tick does not break a link", 2 * TIMINGS.linkTickMs, TIMINGS.linkSilenceMs],
  ["devices that look for lost marks find them in MySQL", TIMINGS.gatherMarksMs, TIMINGS.noticeRepairMs],
  ["what was delivered is confirmed when it is in MySQL", TIMINGS.gatherMarksMs, TIMINGS.deliveredAnswerMs],
  ["gateways ask when workers have forgotten old relations", TIMINGS.factsFreshMs, TIMINGS.watchAgainMs],
  ["a sender waits until a dead owner is replaced", TIMINGS.takeOverMs, TIMINGS.senderWaitsMs],
]);
