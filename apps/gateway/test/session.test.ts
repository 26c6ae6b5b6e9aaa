import { Command, commandTable } from "@carillon/protocol";
import { DeliveryCursor } from "../src/session/delivery-cursor";
import { Placement } from "../src/session/placement";
import { FaultCounter } from "../src/session/session";
import { type Action, actionOn, type SessionState } from "../src/session/session-state";

describe("session states", () => {
  const clientCommands = commandTable.filter(({ direction }) => direction !== "server").map(({ number }) => number);
  const serverCommands = commandTable.filter(({ direction }) => direction === "server").map(({ number }) => number);
  const expected: Record<SessionState["phase"], (command: number) => Action> = {
    new: (command) => (command === Command.CONNECT ? "process" : "refuse"),
    opening: (command) =>
      command === Command.CONNECT ? "unknown" : command === Command.DISCONNECT ? "process" : "hold",
    open: (command) =>
      clientCommands.includes(command as never) && command !== Command.CONNECT ? "process" : "unknown",
    closed: () => "ignore",
  };

  test.each(Object.keys(expected) as SessionState["phase"][])("every command in phase %s", (phase) => {
    for (const command of [...clientCommands, ...serverCommands, 9_999]) {
      expect([command, actionOn(phase, command)]).toEqual([command, expected[phase](command)]);
    }
  });
});

describe("rate limits", () => {
  test("faults count inside their window only", () => {
    const counter = new FaultCounter(3, 1_000, 0);
    expect([0, 100].map((now) => counter.add(now))).toEqual([false, false]);
    expect(counter.add(200)).toBe(true);
    const slow = new FaultCounter(3, 1_000, 0);
    expect([0, 1_000, 2_000, 3_000, 4_000].map((now) => slow.add(now))).not.toContain(true);
  });
});

describe("delivery cursor", () => {
  const head = (seq: number) => ({ conversationId: "p:a:b", seq, senderId: "b", kind: "message" as const });

  test("RECEIVED moves it forward; a number that was never sent is refused", () => {
    const cursor = new DeliveryCursor("e", 10);
    for (const seq of [11, 12, 13]) cursor.sent(seq, head(seq));
    expect(cursor.received(12)!.map(({ seq }) => seq)).toEqual([11, 12]);
    expect(cursor.received(11)).toEqual([]);
    expect(cursor.acked).toBe(12);
    expect(cursor.received(14)).toBeUndefined();
    expect(cursor.unacknowledgedCount).toBe(1);
  });
});

describe("placement", () => {
  const address = (nodeId: string) => ({ gatewayId: nodeId, ws: `ws://${nodeId}`, tcp: nodeId });
  const placement = (order: string[]) =>
    new Placement("here", { walk: (_user, count) => order.slice(0, count), address });

  test("users stay at the ring's choice, and are sent on from other gateways", () => {
    expect(placement(["here", "b"]).judge("u", false, 0, "ws")).toBe("here");
    expect(placement([]).judge("u", false, 0, "ws")).toBe("here");
    expect(placement(["b", "here"]).judge("u", false, 0, "ws")).toEqual(address("b"));
  });

  test("a gateway keeps a client that it would send to its own address, behind one balancer for all", () => {
    const shared = (nodeId: string) => ({ ...address(nodeId), ws: "wss://chat.example.org/ws" });
    const other = new Placement("here", { walk: () => ["b", "c"], address: shared });
    expect(other.judge("u", false, 0, "ws")).toBe("fallback");
    expect(other.judge("u", false, 0, "tcp")).toEqual(shared("b"));
    expect([other.elsewhere("u", "ws"), other.elsewhere("u", "tcp")]).toEqual([undefined, shared("b")]);
    expect(other.withoutMe("u")).toEqual(shared("b"));
  });

  test("when this gateway leaves, its users go to the next gateway of the ring", () => {
    expect(placement(["here", "b"]).withoutMe("u")).toEqual(address("b"));
    expect(placement(["b", "here"]).withoutMe("u")).toEqual(address("b"));
    expect(placement(["here"]).withoutMe("u")).toBeUndefined();
  });

  test("a fallback is accepted by the second gateway of the ring, and by any gateway at the third try in 10 s", () => {
    expect(placement(["b", "here"]).judge("u", true, 0, "ws")).toBe("fallback");
    const third = placement(["b", "c", "here"]);
    expect([0, 1, 2].map((now) => third.judge("u", true, now, "ws"))).toEqual([address("b"), address("b"), "fallback"]);
    const late = placement(["b", "c", "here"]);
    expect([0, 9_000, 20_000].map((now) => late.judge("u", true, now, "ws"))).toEqual([
      address("b"),
      address("b"),
      address("b"),
    ]);
  });
});
