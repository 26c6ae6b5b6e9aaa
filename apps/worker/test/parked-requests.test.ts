import type { OriginatedRequest } from "@carillon/bus";
import { ParkedRequests } from "../src/partition/parked-requests";

const settle = () => new Promise((resolve) => setImmediate(resolve));

function request(senderId: string, requestId: number, content = "hello"): OriginatedRequest {
  return {
    ...{ replyTo: "g", boot: "b", connection: 1, requestId, senderId, clientMsgId: "c" },
    ...{ conversationId: "g:choir", contentType: "text", content },
  };
}

/** Facts whose answers come when they are told to. */
function newFacts() {
  let answer: () => void = () => {};
  const answers = new Promise<void>((resolve) => {
    answer = resolve;
  });
  return { answersFor: () => answers, answer };
}

function newParked() {
  let woken = 0;
  const parked = new ParkedRequests<ReturnType<typeof newFacts>>(
    () => performance.now(),
    () => woken++,
  );
  const ids = () => parked.takeReady().map((each) => each.request.requestId);
  return { parked, ids, woken: () => woken };
}

test("a request waits until its answers are there; those behind it stay behind it, those of others do not wait", async () => {
  const { parked, ids, woken } = newParked();
  const facts = newFacts();
  expect(parked.park(request("anna", 1), facts)).toBe(true);
  expect([parked.holds(request("anna", 2)), parked.holds(request("bert", 3))]).toEqual([true, false]);
  expect(parked.park(request("anna", 2), newFacts())).toBe(true);
  await settle();
  expect([ids(), woken()]).toEqual([[], 0]);
  facts.answer();
  await settle();
  expect([parked.hasReady, woken()]).toEqual([true, 1]);
  expect(ids()).toEqual([1, 2]);
  expect(parked.holds(request("anna", 4))).toBe(false);
});

test("it can be decided when its time is over, too: then it is refused, and cannot be put aside again", async () => {
  const { parked } = newParked();
  const until = performance.now() + 20;
  expect(parked.park(request("anna", 1), newFacts(), until)).toBe(true);
  while (!parked.hasReady) await settle();
  const [taken] = parked.takeReady();
  expect(parked.park(taken!.request, taken!.facts, taken!.until)).toBe(false);
});

test("nothing waits for what nobody was asked, and there is room for so much", () => {
  const { parked } = newParked();
  expect(parked.park(request("anna", 1), { ...newFacts(), answersFor: () => undefined as never })).toBe(false);
  const long = "x".repeat(16_384);
  let taken = 0;
  while (parked.park(request(`anna-${taken}`, taken, long), newFacts())) taken++;
  expect(taken).toBe(Math.floor((8 * 1024 * 1024) / (long.length + 500)));
  expect(parked.takeAll()).toHaveLength(taken);
  expect(parked.park(request("anna", 1), newFacts())).toBe(true);
});

test("an owner that hands over waits until all were taken, but not for ever", async () => {
  const { parked, ids } = newParked();
  await parked.emptied(60_000);
  const facts = newFacts();
  parked.park(request("anna", 1), facts);
  const emptied = parked.emptied(60_000);
  facts.answer();
  await settle();
  expect(ids()).toEqual([1]);
  await emptied;
  const late = newFacts();
  parked.park(request("anna", 2), late);
  await parked.emptied(20);
  expect(parked.count).toBe(1);
  late.answer();
});
