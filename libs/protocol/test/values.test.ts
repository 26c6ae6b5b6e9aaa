import {
  contentTypeValues,
  encodePayload,
  groupConversationId,
  isClientMsgId,
  isConversationId,
  isDeviceId,
  isGroupId,
  isNodeId,
  isTarget,
  isUserId,
  parseConversationId,
  parseRequest,
  parseTarget,
  platformValues,
  privateConversationId,
  sentContentTypeValues,
  uuidv7Time,
} from "../src/index";

const send = {
  clientMsgId: "01932c07-9d80-7000-8000-00000000002a",
  to: "u:bob",
  contentType: "text",
  content: "hello",
};

function sendResult(changes: object): unknown {
  const result = parseRequest(10, encodePayload({ ...send, ...changes }));
  return "error" in result ? result.message : "fine";
}

describe("ids", () => {
  const wrong = [
    "",
    "_a",
    "-a",
    "a.b",
    "a b",
    "a:b",
    "é",
    "a\n",
    "me",
    "current",
    "a/b",
    "a*",
    "a>",
    7,
    null,
    undefined,
  ];

  test.each([
    ["group", isGroupId, 32],
    ["device", isDeviceId, 64],
    ["node", isNodeId, 64],
  ] as const)("%s id", (_name, isId, most) => {
    for (const id of ["a", "0", "A-b_c", "Me", "mee", "a".repeat(most)]) expect([id, isId(id)]).toEqual([id, true]);
    for (const id of [...wrong, "a".repeat(most + 1)]) expect([id, isId(id)]).toEqual([id, false]);
  });

  test("user ids of other systems are allowed as they are", () => {
    const others = ["550e8400-e29b-41d4-a716-446655440000", "ann.o+x@mail.example", "auth0|5f7c8ec7c33c6c004bbafe82"];
    const good = ["a", "_x", "a.b", "a..", "Me", "google-oauth2|103547991597142817347", "a".repeat(64), ...others];
    for (const id of good) expect([id, isUserId(id)]).toEqual([id, true]);
    const also = [
      ".",
      "..",
      "-a",
      "@a",
      "|a",
      "+1",
      "a b",
      "a:b",
      "a/b",
      "a,b",
      "a{b",
      "a*",
      "a>",
      "a%",
      "a".repeat(65),
    ];
    for (const id of [...wrong.filter((one) => one !== "_a" && one !== "a.b"), ...also])
      expect([id, isUserId(id)]).toEqual([id, false]);
  });

  test("target", () => {
    for (const to of ["u:bob", "g:team", `u:${"a".repeat(64)}`, "u:auth0|7"]) expect(isTarget(to)).toBe(true);
    for (const to of [
      "bob",
      "u:",
      "g:",
      "x:bob",
      "U:bob",
      "u:me",
      "g:current",
      "u:a:b",
      `u:${"a".repeat(65)}`,
      "g:a.b",
      `g:${"a".repeat(33)}`,
      7,
    ]) {
      expect([to, isTarget(to)]).toEqual([to, false]);
    }
  });

  test("clientMsgId is a UUIDv7 in lower case, and carries its time", () => {
    expect(isClientMsgId(send.clientMsgId)).toBe(true);
    expect(uuidv7Time(send.clientMsgId)).toBe(0x01932c079d80);
    expect(uuidv7Time("ffffffff-ffff-7000-8000-000000000000")).toBe(2 ** 48 - 1);
    const others = [
      send.clientMsgId.toUpperCase(),
      send.clientMsgId.replace("-7", "-4"),
      send.clientMsgId.replace("-8", "-c"),
      send.clientMsgId.replaceAll("-", ""),
      `${send.clientMsgId}\n`,
      `{${send.clientMsgId}}`,
      "",
      7,
    ];
    for (const id of others) expect([id, isClientMsgId(id)]).toEqual([id, false]);
  });

  test("conversationId of two users is the same from both sides, in byte order", () => {
    expect(privateConversationId("bob", "alice")).toBe("p:alice:bob");
    expect(privateConversationId("alice", "bob")).toBe("p:alice:bob");
    expect(privateConversationId("alice", "Bob")).toBe("p:Bob:alice");
    expect(privateConversationId("a", "a_")).toBe("p:a:a_");
    expect(privateConversationId("alice", "alice")).toBe("p:alice:alice");
    expect(groupConversationId("team")).toBe("g:team");
  });

  test("parseConversationId", () => {
    expect(parseConversationId("p:alice:bob")).toEqual({ kind: "private", userIds: ["alice", "bob"] });
    expect(parseConversationId("p:alice:alice")).toEqual({ kind: "private", userIds: ["alice", "alice"] });
    expect(parseConversationId("g:team")).toEqual({ kind: "group", groupId: "team" });
    for (const id of ["p:bob:alice", "p:alice", "p::a", "p:a:", "p:a:b:c", "g:", "g:a:b", "x:a", "", "p:alice:me"]) {
      expect([id, parseConversationId(id), isConversationId(id)]).toEqual([id, undefined, false]);
    }
    expect(isConversationId(7)).toBe(false);
  });

  test("parseTarget", () => {
    expect(parseTarget("u:bob", "alice")).toEqual({ kind: "private", conversationId: "p:alice:bob", peerId: "bob" });
    expect(parseTarget("u:alice", "bob")).toEqual({ kind: "private", conversationId: "p:alice:bob", peerId: "alice" });
    expect(parseTarget("u:bob", "bob")).toEqual({ kind: "private", conversationId: "p:bob:bob", peerId: "bob" });
    expect(parseTarget("g:team", "bob")).toEqual({ kind: "group", conversationId: "g:team", groupId: "team" });
    expect(parseTarget("bob", "alice")).toBeUndefined();
  });
});

describe("content", () => {
  test("has 1 to 16,384 bytes of UTF-8, not characters", () => {
    expect(sendResult({ content: "x" })).toBe("fine");
    expect(sendResult({ content: "x".repeat(16_384) })).toBe("fine");
    expect(sendResult({ content: "é".repeat(8192) })).toBe("fine");
    expect(sendResult({ content: "鐘".repeat(5461) })).toBe("fine");
    expect(sendResult({ content: "👋".repeat(4096) })).toBe("fine");
    for (const content of ["", "x".repeat(16_385), "é".repeat(8193), "鐘".repeat(5462), "👋".repeat(4097)]) {
      expect(sendResult({ content })).toBe("content: must be 1-16384 bytes of UTF-8");
    }
  });

  test("half of a surrogate pair, which only JSON can carry, is refused", () => {
    const result = parseRequest(10, { ...send, content: "a\ud83d" });
    expect(result).toEqual({ error: "BAD_PAYLOAD", message: "content: must be 1-16384 bytes of UTF-8" });
  });

  test("every content type of the table passes, others do not", () => {
    for (const contentType of sentContentTypeValues) expect(sendResult({ contentType })).toBe("fine");
    expect(contentTypeValues.filter((type) => !sentContentTypeValues.includes(type as never))).toEqual(["system"]);
    for (const contentType of ["system", "Text", "", "toString", 1])
      expect(sendResult({ contentType })).toMatch(/^contentType: /);
  });
});

describe("optional keys", () => {
  const connect = { token: "t", deviceId: "d" };

  test("may be absent, but not nil; FOCUS alone takes nil, and needs its key", () => {
    const pull = { conversationId: "g:team", fromSeq: 1 };
    expect(parseRequest(15, encodePayload(pull))).toMatchObject({ payload: pull });
    for (const key of ["toSeq", "limit", "backwards"]) {
      expect(parseRequest(15, encodePayload({ ...pull, [key]: null }))).toMatchObject({
        message: expect.stringMatching(`^${key}: `),
      });
    }
    expect(parseRequest(25, encodePayload({ conversationId: null }))).toMatchObject({ command: 25 });
    expect(parseRequest(25, encodePayload({}))).toMatchObject({ message: "conversationId: missing" });
  });

  test("every platform is allowed", () => {
    for (const platform of platformValues) {
      expect(parseRequest(1, encodePayload({ ...connect, platform }))).toMatchObject({ command: 1 });
    }
  });

  test("a long unknown key is cut in the message", () => {
    const result = parseRequest(3, { ["k".repeat(5000)]: 1 });
    expect("error" in result && result.message.length).toBeLessThan(100);
  });

  test("the encoder leaves undefined out", () => {
    expect(encodePayload({ a: 1, b: undefined })).toEqual(encodePayload({ a: 1 }));
  });
});
