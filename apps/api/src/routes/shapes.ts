/** Bodies of requests and answers, as JSON Schema: what is checked is what the documentation shows. */
import { contentTypeValues, conversationKindValues, eventKindValues, platformValues } from "@carillon/protocol";
import { type TProperties, Type } from "typebox";

/** An object of a request: unknown keys are refused. */
export const strict = <T extends TProperties>(properties: T) =>
  Type.Object(properties, { additionalProperties: false });

const shortId = () => Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$" });
export const userId = shortId();
export const groupId = shortId();
export const deviceId = Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$" });
export const platform = Type.Enum([...platformValues]);
export const time = Type.Integer({ description: "ms since 1970-01-01 UTC" });
const seq = Type.Integer({ minimum: 0 });

export const errorBody = Type.Object(
  {
    code: Type.Integer(),
    name: Type.String(),
    message: Type.String(),
    retryAfterMs: Type.Optional(Type.Integer()),
  },
  { description: "Any failure, with the HTTP status of the error table" },
);

export const displayName = Type.String({ minLength: 1, maxLength: 64 });
export const password = Type.String({ minLength: 8, maxLength: 128 });

export const registerBody = strict({ userId, displayName, password });
export const registered = Type.Object({ userId: Type.String() });

/** Who logs in may show anything short: a wrong form is a wrong password. */
export const logInBody = strict({
  userId,
  password: Type.String({ minLength: 1, maxLength: 128 }),
  deviceId,
  platform,
});
export const refreshBody = strict({ refreshToken: Type.String({ minLength: 1, maxLength: 512 }) });
export const tokens = Type.Object({
  userId: Type.String(),
  accessToken: Type.String(),
  refreshToken: Type.String(),
  expiresIn: Type.Integer({ description: "Life of the access token, s" }),
});

export const devices = Type.Object({
  items: Type.Array(
    Type.Object({
      deviceId: Type.String(),
      platform: Type.String(),
      createdAt: time,
      lastSeenAt: time,
      current: Type.Boolean(),
    }),
  ),
});

export const ownProfile = Type.Object({ userId: Type.String(), displayName: Type.String(), createdAt: time });
export const profile = Type.Object({ userId: Type.String(), displayName: Type.String() });

export const routeAnswer = Type.Object({
  gateways: Type.Array(
    Type.Object({
      gatewayId: Type.String(),
      ws: Type.String({ description: "URL" }),
      tcp: Type.String({ description: "host:port" }),
      udp: Type.Optional(Type.String({ description: "host:port" })),
    }),
    { description: "The ring's choice first, then the next distinct node" },
  ),
});

const MOST_OF_A_PAGE = 200;
const limit = Type.Integer({ minimum: 1, maximum: MOST_OF_A_PAGE, default: 50 });

export const listQuery = strict({ limit: Type.Optional(limit), cursor: Type.Optional(Type.String()) });
export const historyQuery = strict({
  limit: Type.Optional(limit),
  before: Type.Optional(Type.Integer({ minimum: 1, description: "Only numbers below; default: the newest" })),
});

const event = Type.Object({
  conversationId: Type.String(),
  seq,
  messageId: Type.String(),
  kind: Type.Enum([...eventKindValues]),
  senderId: Type.String(),
  clientMsgId: Type.String(),
  contentType: Type.Enum([...contentTypeValues]),
  content: Type.Optional(Type.String({ description: "Absent after a recall" })),
  targetSeq: Type.Optional(seq),
  sentAt: time,
});

export const history = Type.Object({
  conversationId: Type.String(),
  messages: Type.Array(event, { description: "Ascending" }),
  lastSeq: seq,
  more: Type.Boolean({ description: "Whether there are older ones" }),
});

export const conversations = Type.Object({
  items: Type.Array(
    Type.Object({
      conversationId: Type.String(),
      kind: Type.Enum([...conversationKindValues]),
      lastSeq: seq,
      lastAt: time,
      readSeq: seq,
      peerReadSeq: Type.Optional(seq),
      peerDeliveredSeq: Type.Optional(seq),
      clearedSeq: seq,
      unread: Type.Integer(),
      pinned: Type.Boolean(),
      muted: Type.Boolean(),
      preview: Type.Optional(
        Type.Object({
          senderId: Type.String(),
          contentType: Type.Enum([...contentTypeValues]),
          text: Type.String(),
        }),
      ),
    }),
    { description: "Newest lastAt first" },
  ),
  cursor: Type.Optional(Type.String()),
});

export const nothing = Type.Null();

export const unconfirmed = Type.Object({
  unconfirmed: Type.Array(Type.String(), { description: "Nodes that were not reached" }),
});

export const health = Type.Object({ status: Type.String() });
export const readiness = Type.Object({
  status: Type.String(),
  checks: Type.Record(Type.String(), Type.Boolean()),
});
