/** Names of all keys. The keys of one user share a hash tag. */
export const keys = {
  head: (userId: string) => `{u:${userId}}:head`,
  inbox: (userId: string) => `{u:${userId}}:inbox`,
  sessions: (userId: string) => `{u:${userId}}:sessions`,
  cursors: (userId: string) => `{u:${userId}}:cursors`,
  recent: (conversationId: string) => `{c:${conversationId}}:recent`,
  cleared: (conversationId: string) => `{c:${conversationId}}:cleared`,
  marks: (conversationId: string) => `{c:${conversationId}}:marks`,
  oneTime: (kind: string, digest: string) => `once:${kind}:${digest}`,
  fanout: (partition: number) => `{p:${partition}}:fanout`,
} as const;

/** An unused inbox expires after this time, s; its devices resync. */
export const IDLE_SECONDS = 30 * 24 * 3600;
