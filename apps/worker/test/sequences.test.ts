import { Sequences } from "../src/decide/sequences";

test("of a conversation that the log forgets, the last number goes on counting, until the next one is given", () => {
  const sequences = new Sequences();
  sequences.set("p:a:b", 41, { position: 1, storedAt: 100 });
  sequences.set("p:a:b", 42, { position: 2, storedAt: 200 });
  sequences.set("p:a:c", 7, { position: 3, storedAt: 300 });
  sequences.prune(250, 2);
  expect([sequences.last("p:a:b"), sequences.archived("p:a:b")]).toEqual([undefined, 42]);
  expect([sequences.last("p:a:c"), sequences.archived("p:a:c")]).toEqual([7, undefined]);
  sequences.set("p:a:b", 43, { position: 4, storedAt: 400 });
  expect([sequences.last("p:a:b"), sequences.archived("p:a:b")]).toEqual([43, undefined]);
});

test("what the archive said before the owner wrote is not believed any more; the oldest answers are forgotten first", () => {
  const sequences = new Sequences(2);
  sequences.set("p:a:b", 43, { position: 4, storedAt: 400 });
  sequences.learn("p:a:b", 41);
  expect([sequences.last("p:a:b"), sequences.archived("p:a:b")]).toEqual([43, undefined]);
  for (const [i, id] of ["x", "y", "z"].entries()) sequences.learn(id, i);
  expect(["x", "y", "z"].map((id) => sequences.archived(id))).toEqual([undefined, 1, 2]);
});
