/**
 * Deletes rows that are of no use any more, once a day: devices that were logged out or whose tokens have expired, cursors that
 * did not move, invitations that nobody answered, requests that were refused, old entries of the audit log. All of it may be done twice; the next run continues
 * where this one stopped.
 */
import { sleep } from "@carillon/base";
import type { AuditLogQueries, InvitationQueries, OldDevice, RequestQueries } from "@carillon/store";
import type { ApiParts } from "../parts";

const DAY_MS = 86_400_000;
export const HOUSEKEEPING_EVERY_MS = DAY_MS;
export const HOUSEKEEPING_FIRST_MS = 10 * 60_000;

/** Longer than the life of any access token of such a device, whoever issued it, and of an idle inbox. */
const OLD_MS = 45 * DAY_MS;
const INVITATIONS_MS = 90 * DAY_MS;
const AT_ONCE = 500;
/** Pause between two steps: others need the stores. */
const PAUSE_MS = 50;

interface Housekeeping
  extends Pick<ApiParts, "auditLog" | "clock" | "cursors" | "invitations" | "logger" | "oldDevices" | "requests"> {
  config: Pick<ApiParts["config"], "audit">;
}

export async function keepHouse(api: Housekeeping, signal: AbortSignal): Promise<void> {
  const { clock, logger } = api;
  const before = clock.now() - OLD_MS;
  const devices = await deleteDevices(api, before, signal);
  const cursors = await forgetCursors(api, before, signal);
  const invitations = await deleteOlder(api.invitations, clock.now() - INVITATIONS_MS, signal);
  const requests = await deleteOlder(api.requests, before, signal);
  const audited = await deleteEntries(api, signal);
  const found = { devices, cursors, invitations, requests, audited };
  if (Object.values(found).some((count) => count > 0)) logger.info(found, "what is old was deleted");
}

async function deleteDevices({ oldDevices }: Housekeeping, before: number, signal: AbortSignal): Promise<number> {
  let deleted = 0;
  for (let after: OldDevice | undefined = { userId: "", deviceId: "" }; after !== undefined && !signal.aborted; ) {
    const page: { old: OldDevice[]; next?: OldDevice } = await oldDevices.page(before, AT_ONCE, after);
    for (const device of page.old) if (await oldDevices.delete(device, before)) deleted++;
    after = page.next;
    await sleep(PAUSE_MS, signal);
  }
  return deleted;
}

async function forgetCursors(
  { oldDevices, cursors }: Housekeeping,
  before: number,
  signal: AbortSignal,
): Promise<number> {
  let forgotten = 0;
  for (let after: string | undefined = ""; after !== undefined && !signal.aborted; ) {
    const userIds: string[] = await oldDevices.users(AT_ONCE, after);
    forgotten += await cursors.forgetOlder(userIds, before);
    after = userIds.length < AT_ONCE ? undefined : userIds.at(-1);
    await sleep(PAUSE_MS, signal);
  }
  return forgotten;
}

/** With 0 days, entries of the audit log are kept. */
async function deleteEntries({ auditLog, clock, config }: Housekeeping, signal: AbortSignal): Promise<number> {
  const { days } = config.audit;
  return days === 0 ? 0 : deleteOlder(auditLog, clock.now() - days * DAY_MS, signal);
}

async function deleteOlder(
  queries: Pick<AuditLogQueries | InvitationQueries | RequestQueries, "deleteOlder">,
  before: number,
  signal: AbortSignal,
): Promise<number> {
  let deleted = 0;
  for (let step = AT_ONCE; step === AT_ONCE && !signal.aborted; ) {
    step = await queries.deleteOlder(before, AT_ONCE);
    deleted += step;
    await sleep(PAUSE_MS, signal);
  }
  return deleted;
}
