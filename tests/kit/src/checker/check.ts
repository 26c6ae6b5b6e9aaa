/** All invariants that a history can break, decided from what clients and stores saw. Pure. */
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

/** @returns what is wrong; empty when every promise was kept */
export function checkEvidence(evidence: Evidence): Violation[] {
  return CHECKS.flatMap((check) => check(evidence));
}
