/** Checks all invariants that a history can break, from the observations of clients and stores. Pure. */
import type { Evidence } from "../history/evidence";
import { checkDoubles } from "./doubles";
import { checkInboxes } from "./inboxes";
import { checkLoss } from "./loss";
import { checkNumbers } from "./numbers";
import { checkOrder } from "./order";
import { checkOwners } from "./owners";
import { checkPrivacy } from "./privacy";
import { checkReceipts } from "./receipts";
import { checkAnswers, checkBounds, checkQueues } from "./remainders";
import type { Violation } from "./violation";

const CHECKS = [
  checkLoss,
  checkDoubles,
  checkOrder,
  checkNumbers,
  checkOwners,
  checkInboxes,
  checkQueues,
  checkBounds,
  checkPrivacy,
  checkReceipts,
  checkAnswers,
];

/** @returns the violations; empty when every guarantee was kept */
export function checkEvidence(evidence: Evidence): Violation[] {
  return CHECKS.flatMap((check) => check(evidence));
}
