import type { Logger } from "@carillon/base/node";
import type { GroupAdministration } from "@carillon/operations";

export interface AdminGroupsContext extends GroupAdministration {
  logger: Pick<Logger, "info">;
}
