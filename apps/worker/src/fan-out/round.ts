/** Events that are delivered together: one script call for the inboxes, one bus message for each gateway. */
import { getOrSet } from "@carillon/base";
import type { Push } from "@carillon/bus";
import type { DeliveredInbox, InboxDelivery } from "@carillon/store";
import { LargeGroupSteps } from "./large-groups";

/** Entries of inboxes that one script call makes; bounds the time in which Redis serves nobody else. */
export const ROUND_DELIVERIES = 1_024;

export class Round {
  readonly deliveries: InboxDelivery[] = [];
  /** Events that take a message back, with everybody whose inbox may have it. */
  readonly recalls: { event: Uint8Array; holders: string[] }[] = [];
  readonly groups = new LargeGroupSteps();
  private size = 0;

  get isFull(): boolean {
    return this.size >= ROUND_DELIVERIES;
  }

  add(position: number, event: Uint8Array, recipients: string[], kind: string, holders = recipients): void {
    if (recipients.length > 0) this.deliveries.push({ position, event, recipients });
    if (kind === "recall") this.recalls.push({ event, holders });
    this.size += recipients.length + 1;
  }
}

/** Each event once per gateway, with its targets there. */
export function pushesByGateway(deliveries: InboxDelivery[], inboxes: DeliveredInbox[]): Map<string, Push[]> {
  const byGateway = new Map<string, Map<number, Push>>();
  for (const { userId, inboxEpoch, seq, added, gateways } of inboxes) {
    for (const gateway of gateways) {
      const pushes = getOrSet(byGateway, gateway, () => new Map<number, Push>());
      added.forEach((index, i) => {
        const target = { userId, inboxEpoch, inboxSeq: seq - added.length + 1 + i };
        const push = pushes.get(index);
        if (push === undefined) pushes.set(index, { event: deliveries[index]!.event, targets: [target] });
        else push.targets.push(target);
      });
    }
  }
  return new Map([...byGateway].map(([gateway, pushes]) => [gateway, [...pushes.values()]]));
}
