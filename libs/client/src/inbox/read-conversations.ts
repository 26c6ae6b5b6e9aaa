/** All conversations of the user by SYNC, page by page. */
import { Command, type ConversationRow, limits, type ServerMessage, type SyncPayload } from "@carillon/protocol";

/** @param request a request over the connection in use */
export async function readConversations(
  request: (command: number, payload: SyncPayload) => Promise<ServerMessage>,
): Promise<ConversationRow[]> {
  const rows: ConversationRow[] = [];
  let cursor: string | undefined;
  do {
    const page = { limit: limits.maxPageEntries, ...(cursor === undefined ? {} : { cursor }) };
    const answer = await request(Command.SYNC, page);
    if (answer.command !== Command.SYNCED) throw new Error(`SYNC was answered by command ${answer.command}`);
    rows.push(...answer.payload.conversations);
    cursor = answer.payload.more ? answer.payload.cursor : undefined;
  } while (cursor !== undefined);
  return rows;
}
