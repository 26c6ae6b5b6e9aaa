import { uuidv7 } from "@carillon/base";
import { ArchiveHistory } from "../src/partition/archive-history";
import { newPartitionState, pruneState } from "../src/partition/state";

test("a position counts from when it was seen, and a lower one later voids it", () => {
  const history = new ArchiveHistory(600);
  history.add(10, 0);
  history.add(20, 100);
  history.add(20, 300);
  expect([-1, 0, 99, 100, 500].map((time) => history.at(time))).toEqual([-1, 10, 10, 20, 20]);
  history.add(15, 400);
  expect([history.at(350), history.at(400)]).toEqual([10, 15]);
  history.add(30, 2_000);
  expect([history.at(1_400), history.at(2_000)]).toEqual([15, 30]);
});

test("what the archive has only just taken is not forgotten, however old it is", () => {
  const state = newPartitionState(0, 0);
  const message = { senderId: "a", conversationId: "p:a:b", clientMsgId: uuidv7(0), digest: "d", seq: 7 };
  state.sequences.set("p:a:b", 7, { position: 5, storedAt: 0 });
  state.dedupe.add({ ...message, messageId: "1", sentAt: 0 }, { position: 5, storedAt: 0 });
  state.archived = 5;
  pruneState(state, 3_600_000, { ids: 4, numbers: 4 });
  expect([state.sequences.last("p:a:b"), state.dedupe.size]).toEqual([7, 1]);
  pruneState(state, 3_600_000, { ids: 5, numbers: 4 });
  expect([state.sequences.last("p:a:b"), state.dedupe.size]).toEqual([7, 0]);
  pruneState(state, 3_600_000, { ids: 5, numbers: 5 });
  // The number that the archive has is still known, as one that it told.
  expect([state.sequences.last("p:a:b"), state.sequences.archived("p:a:b")]).toEqual([undefined, 7]);
});
