/** Names of all keys. Those of one script call share a hash tag, so that a Redis Cluster can carry them. */
export const keys = {
  head: (userId: string) => `{u:${userId}}:head`,
  inbox: (userId: string) => `{u:${userId}}:inbox`,
  sessions: (userId: string) => `{u:${userId}}:sessions`,
  cursors: (userId: string) => `{u:${userId}}:cursors`,
  auth: (userId: string) => `{u:${userId}}:auth`,
  recent: (conversationId: string) => `{c:${conversationId}}:recent`,
  cleared: (conversationId: string) => `{c:${conversationId}}:cleared`,
  marks: (conversationId: string) => `{c:${conversationId}}:marks`,
  fanout: (partition: number) => `{p:${partition}}:fanout`,
} as const;

/** An inbox that nobody fills or reads for so long expires; its devices resync. */
export const IDLE_SECONDS = 30 * 24 * 3600;
