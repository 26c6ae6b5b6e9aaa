/** The ids that a round has accepted so far, before they are in the log: few, and gone with the round. */
import { getOrSet } from "@carillon/base";
import type { AcceptedRequest } from "./accepted-message";

export class RoundIds {
  /** By clientMsgId; two users may use the same one. */
  private readonly accepted = new Map<string, AcceptedRequest[]>();

  find(senderId: string, conversationId: string, clientMsgId: string): AcceptedRequest | undefined {
    return this.accepted
      .get(clientMsgId)
      ?.find((one) => one.senderId === senderId && one.conversationId === conversationId);
  }

  add(message: AcceptedRequest): void {
    getOrSet(this.accepted, message.clientMsgId, (): AcceptedRequest[] => []).push(message);
  }
}
