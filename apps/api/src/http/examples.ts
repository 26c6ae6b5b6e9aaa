/**
 * Examples for the documentation, made from the shapes: each field has one value, by its name, so that the same alice
 * and the same group run through all routes. A shape whose fields do not go together says itself what is typical.
 */

/** What is looked at in a JSON Schema. */
export interface Shape {
  type?: string;
  enum?: readonly unknown[];
  anyOf?: readonly Shape[];
  items?: Shape;
  properties?: Record<string, Shape>;
  required?: readonly string[];
  examples?: readonly unknown[];
  description?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  maxItems?: number;
}

const TIME = 1_790_000_000_000;
const TIME_AHEAD = 2_000_000_000_000;

const BY_NAME: Record<string, unknown> = {
  ...{ userId: "alice", senderId: "alice", ownerId: "alice", displayName: "Alice", groupId: "choir", members: ["bob"] },
  ...{ password: "correct horse battery", oldPassword: "correct horse battery", newPassword: "battery staple correct" },
  ...{ deviceId: "phone", platform: "ios", expiresIn: 900, refreshToken: "alice.phone.c8Xw2L.9fKq", remark: "Al" },
  ...{ accessToken: "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl", version: 7, role: "member" },
  ...{ ticketId: "5f0c9a1e77b2d340", address: "chat.example:7700" },
  ...{ gatewayId: "gateway-1", ws: "ws://chat.example:7701/ws", tcp: "chat.example:7700", udp: "chat.example:7700" },
  ...{
    name: "Choir",
    notice: "Tonight at eight",
    memberCount: 2,
    state: "friend",
    status: "normal",
    joinPolicy: "invite",
  },
  ...{ conversationId: "p:alice:bob", messageId: "36028797018963968", seq: 1, lastSeq: 1, readSeq: 1, unread: 0 },
  ...{
    peerReadSeq: 1,
    peerDeliveredSeq: 1,
    clearedSeq: 0,
    hiddenSeq: 0,
    clientMsgId: "019f0000-0000-7000-8000-000000000001",
  },
  ...{ invited: ["carl"], inviterId: "bob", bannedBy: "alice", whoMayAdd: "consent", whoMayWrite: "everybody" },
  ...{ to: "u:bob", text: "Hello", content: "Hello", contentType: "text", kind: "private", count: 1, targetSeq: 1 },
  ...{ cursor: "WyJ1c2VycyIsImFsaWNlIl0", unconfirmed: ["gateway-2"], id: "Jx3nQ0aB7kLm", scopes: ["users"] },
  ...{
    key: "ck_Jx3nQ0aB7kLm_8sT0vYw2Zc4Xb6Na1Qe3Rt5Yu7Io9Pl0Kj2Hg",
    mutedUntil: 0,
    until: TIME_AHEAD,
    broadcastId: "monday",
  },
  ...{ userIds: ["bob", "carl"], sent: 2, refused: 0, total: 2, nodeId: "gateway-1", boot: "Zr3w9Kq1Lm", weight: 1 },
  ...{
    addresses: { ws: "ws://chat.example:7701/ws", tcp: "chat.example:7700", udp: "chat.example:7700" },
    load: { connections: 2 },
    connections: 2,
    ring: "5f3a9c",
    owner: "worker-1",
  },
  ...{ partition: 0, epoch: 3, queueLength: 0, logLength: 12, logBytes: 4_096, covered: 9, archiver: "archiver-1" },
  ...{ archiveLag: 0, gateway: "gateway-1", inboxSeq: 9, record: 12, index: 0, findings: [], more: 0 },
};

/** @throws Error when nobody has thought of a field: the documentation would say nothing of it */
export function exampleOf(shape: Shape, name = ""): unknown {
  const { type, anyOf, items, properties } = shape;
  if (shape.examples !== undefined) return shape.examples[0];
  if (anyOf !== undefined) return exampleOf(anyOf[0]!, name);
  if (properties !== undefined) {
    return Object.fromEntries(Object.entries(properties).map(([key, field]) => [key, exampleOf(field, key)]));
  }
  const known = BY_NAME[name];
  if (known !== undefined && fits(known, shape)) return known;
  if (shape.enum !== undefined) return shape.enum[0];
  if (type === "array" && items !== undefined) return [exampleOf(items)];
  if (type === "boolean") return false;
  if (type === "integer") return shape.description?.startsWith("ms since") ? TIME : 1;
  throw new Error(`there is no example of the field "${name}"`);
}

/** Whether a value is of the kind that the shape wants; the whole is checked by a test. */
function fits(value: unknown, { type, enum: words, items = {} }: Shape): boolean {
  if (words !== undefined) return words.includes(value);
  if (type === "array") return Array.isArray(value) && value.every((one) => fits(one, items));
  if (type === "object") return typeof value === "object" && !Array.isArray(value);
  return type === "integer" || type === "number" ? typeof value === "number" : typeof value === type;
}
