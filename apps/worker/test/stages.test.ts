import { CarillonError, decodePayload, FrameDecoder } from "@carillon/protocol";
import { answersByGateway } from "../src/answers/answers";
import { pushesByGateway } from "../src/fan-out/round";
import { resumeFrom } from "../src/sessions/session-service";

describe("acknowledge", () => {
  test("groups answers by gateway and boot", () => {
    const origin = (replyTo: string, boot: string, connection: number) => ({ replyTo, boot, connection, requestId: 9 });
    const sent = { clientMsgId: "c", conversationId: "p:a:b", seq: 1, messageId: "1", sentAt: 5 };
    const groups = answersByGateway([
      { origin: origin("g1", "b1", 1), outcome: { sent } },
      { origin: origin("g1", "b2", 2), outcome: { sent } },
      { origin: origin("g1", "b1", 3), outcome: { error: new CarillonError("BUSY", "wait", { retryAfterMs: 7 }) } },
    ]);
    expect(groups.map(({ replyTo, boot, answers }) => [replyTo, boot, answers.map((a) => a.connection)])).toEqual([
      ["g1", "b1", [1, 3]],
      ["g1", "b2", [2]],
    ]);
    const [frame] = new FrameDecoder().push(groups[0]!.answers[1]!.frame);
    expect(frame!.requestId).toBe(9);
    expect(decodePayload(frame!.payload)).toMatchObject({ name: "BUSY", message: "wait", retryAfterMs: 7 });
  });
});

describe("fan-out", () => {
  test("sends each event once per gateway, with the numbers that the inboxes gave", () => {
    const deliveries = [1, 2, 3].map((n) => ({ position: n, event: new Uint8Array([n]), recipients: ["a", "b"] }));
    const pushes = pushesByGateway(deliveries, [
      { userId: "a", inboxEpoch: "ea", seq: 13, isNew: false, added: [0, 1, 2], gateways: ["g1", "g2"] },
      { userId: "b", inboxEpoch: "eb", seq: 5, isNew: false, added: [2], gateways: ["g1"] },
    ]);
    const g1 = pushes.get("g1")!;
    expect(g1.map(({ event }) => event[0])).toEqual([1, 2, 3]);
    expect(g1[2]!.targets).toEqual([
      { userId: "a", inboxEpoch: "ea", inboxSeq: 13 },
      { userId: "b", inboxEpoch: "eb", inboxSeq: 5 },
    ]);
    expect(pushes.get("g2")!.map(({ targets }) => targets[0]!.inboxSeq)).toEqual([11, 12, 13]);
  });
});

describe("resume", () => {
  const opened = { head: { epoch: "e", seq: 50 }, firstSeq: 11 };
  test.each([
    ["at the head", { epoch: "e", seq: 50 }, { resume: "none", from: 50 }],
    ["behind", { epoch: "e", seq: 20 }, { resume: "replay", from: 20 }],
    ["just before the first held", { epoch: "e", seq: 10 }, { resume: "replay", from: 10 }],
    ["older than the first held", { epoch: "e", seq: 9 }, { resume: "resync", from: 50 }],
    ["beyond the head", { epoch: "e", seq: 51 }, { resume: "resync", from: 50 }],
    ["of another epoch", { epoch: "x", seq: 20 }, { resume: "resync", from: 50 }],
    ["unknown", undefined, undefined],
  ])("a cursor %s", (_name, cursor, expected) => {
    expect(resumeFrom(opened, cursor)).toEqual(expected);
  });
});
