/** I5: after an owner has lost its partition, it changes nothing in the log. */
import type { Evidence, LoggedRecord } from "../history/evidence";
import { groupBy, type Violation, violation } from "./violation";

export function checkOwners({ log }: Evidence): Violation[] {
  return [...groupBy(log, ({ partition }) => String(partition)).values()].flatMap(checkPartition);
}

function checkPartition(records: LoggedRecord[]): Violation[] {
  const found: Violation[] = [];
  records.forEach((record, index) => {
    const { partition, seq, epoch, boot, append, covered, kind } = record;
    const where = `record ${seq} of partition ${partition}`;
    const before = records[index - 1];
    if (before === undefined) return;
    if (seq !== before.seq + 1) found.push(violation("I5", `${where} follows record ${before.seq}`));
    if (covered < before.covered) found.push(violation("I5", `${where} covers less of the queue than the one before`));
    if (epoch < before.epoch) {
      found.push(violation("I5", `${where} was written in epoch ${epoch}, after epoch ${before.epoch} had begun`));
    } else if (epoch > before.epoch) {
      if (kind !== "epoch") found.push(violation("I5", `${where} begins epoch ${epoch} without saying so`));
    } else if (boot !== before.boot || append !== before.append + 1) {
      found.push(violation("I5", `${where} is append ${append} of ${boot}, after ${before.append} of ${before.boot}`));
    }
  });
  return found;
}
