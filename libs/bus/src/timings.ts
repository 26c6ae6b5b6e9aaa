/**
 * Times on which processes of different roles rely, ms. A role that changed one of them alone would break a promise of
 * another role, so they stand here together, and their order is asserted when a process starts.
 */
import { assertTimings } from "@carillon/base";

export const TIMINGS = {
  /** The asker of a question over NATS waits this long for the answer, unless it names another time. */
  answerMs: 3_000,
  /** A worker begins to open a session within this time, or answers BUSY. */
  openSessionMs: 2_500,
  /** A CONNECT waits at most this long for its turn at the gateway. */
  connectTurnMs: 7_000,
  /** A device is registered at most this long after its CONNECT arrived; a client waits this long for CONNECTED. */
  connectMs: 10_000,
  /** A sender of the downlink sends each gateway a tick at this interval. */
  linkTickMs: 2_000,
  /** A gateway treats a link as broken after this time without a message. */
  linkSilenceMs: 5_000,
  /** A worker gathers marks (read, delivered) for this time before it writes them to MySQL. */
  gatherMarksMs: 5_000,
  /** A gateway that may have lost updates of marks tells its devices after this time to SYNC. */
  noticeRepairMs: 7_000,
  /** A gateway repeats delivered marks that no worker has confirmed within this time. */
  deliveredAnswerMs: 15_000,
  /** A worker uses relations, blocks and groups from its cache for this time, unless it hears of a change. */
  factsFreshMs: 30_000,
  /** A gateway asks again who may see whom after this time, when news of relations may have been lost. */
  watchAgainMs: 35_000,
  /** A sender (docs/protocol.md; the SDK) repeats a message without an answer after this time. */
  senderWaitsMs: 5_000,
  /** A partition whose owner has died has a new owner within this time. */
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
