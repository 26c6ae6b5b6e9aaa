/** Messages of one sender to many users, and their progress. */
import { EntitySchema } from "typeorm";
import { id, longId, time, word } from "./columns";

export interface BroadcastRow {
  id: string;
  senderId: string;
  contentType: string;
  content: string;
  /** Recipients, ascending, separated by blanks; null: everybody. */
  userIds: string | null;
  createdAt: number;
  /** The last user who was served; "": nobody yet. */
  afterId: string;
  sent: number;
  refused: number;
  doneAt: number | null;
}

const count = (name: string) => ({ name, type: "int", unsigned: true, default: 0 }) as const;

export const BroadcastEntity = new EntitySchema<BroadcastRow>({
  name: "Broadcast",
  tableName: "broadcasts",
  columns: {
    id: id("id", { primary: true }),
    senderId: longId("sender_id"),
    contentType: word("content_type"),
    content: { name: "content", type: "text" },
    userIds: { name: "user_ids", type: "mediumtext", nullable: true },
    createdAt: time("created_at"),
    afterId: longId("after_id", { default: "" }),
    sent: count("sent"),
    refused: count("refused"),
    doneAt: time("done_at", { nullable: true }),
  },
});
