/** What is remembered of a message that was accepted: enough to answer a repeated request as the first one was. */
export interface AcceptedMessage {
  /** Digest of kind and body; undefined when the archive no longer has the body. */
  digest: string | undefined;
  seq: number;
  messageId: string;
  sentAt: number;
}

/** An accepted message with the request that it came from. */
export interface AcceptedRequest extends AcceptedMessage {
  senderId: string;
  conversationId: string;
  clientMsgId: string;
}
