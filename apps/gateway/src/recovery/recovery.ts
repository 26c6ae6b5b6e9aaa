/** Runs the repairs of the table in causes.ts. */
import type { PacedJob } from "@carillon/base";
import type { Bus, DownlinkReceiverOptions } from "@carillon/bus";
import type { LargeGroups } from "../groups/large-groups";
import type { LocalPresence } from "../presence/local-presence";
import type { Watches } from "../presence/watches";
import type { UserRegistry } from "../session/user-registry";
import { CAUSES, type Cause, causeOf, type Repair } from "./causes";
import { newInboxRepair, newRecheck } from "./comparisons";
import type { NoticeRepair } from "./devices";
import type { Renewal } from "./registrations";

export interface RecoveryOptions {
  bus: Bus;
  users: UserRegistry;
  groups: Pick<LargeGroups, "markStale">;
  noticeRepair: NoticeRepair;
  localPresence: Pick<LocalPresence, "publishAgain">;
  watches: Pick<Watches, "markStale">;
  renewal: Renewal;
}

export class Recovery {
  private readonly inboxRepair: PacedJob;
  private readonly recheck: PacedJob;

  constructor(private readonly options: RecoveryOptions) {
    const { bus, users } = options;
    this.inboxRepair = newInboxRepair(bus, users);
    this.recheck = newRecheck(bus, users);
  }

  /** Asks again for everything that may be lost by this cause. Each repair keeps its own pace. */
  after(cause: Cause): void {
    for (const repair of CAUSES[cause]) this.request(repair);
  }

  /** A link of the downlink began, jumped or is silent. */
  afterBreak(...[sender, why]: Parameters<DownlinkReceiverOptions["onBreak"]>): void {
    const cause = causeOf(sender, why);
    const repairs = cause === undefined ? [] : CAUSES[cause];
    this.options.bus.logger.info({ sender, why, repairs }, "a link broke, the gateway asks for what may be lost");
    if (cause !== undefined) this.after(cause);
  }

  stop(): void {
    for (const part of [this.inboxRepair, this.recheck, this.options.noticeRepair, this.options.renewal]) part.stop();
  }

  private request(repair: Repair): void {
    const { users, groups, noticeRepair, localPresence, watches, renewal } = this.options;
    switch (repair) {
      case "inboxes":
        return this.inboxRepair.request();
      case "groups":
        return groups.markStale();
      case "sessions":
        return this.recheck.request();
      case "marks":
        return noticeRepair.request();
      case "presence":
        localPresence.publishAgain();
        return watches.markStale();
      case "registrations":
        return renewal.request(users.userIds);
    }
  }
}
