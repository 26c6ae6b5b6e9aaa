/** Feeds the decoders for a moment; `npm run fuzz -- --decoders --count 100000000` goes on for an hour. */
import { corpus, feedOne, fuzzDecoders } from "./decoders";
import { Random } from "./random";

/** A failed test must fail again. */
const SEED = 11;

test.each(corpus().map(({ decoder, input }) => [decoder, input.toString("hex"), input] as const))(
  "the corpus: %s %s",
  (decoder, _hex, input) => {
    feedOne(decoder, input, new Random(SEED));
  },
);

test("a million inputs: none is thrown at, none hangs", () => {
  const { byDecoder } = fuzzDecoders(SEED, 1_000_000);
  expect(byDecoder).toEqual({ frames: 250_000, json: 250_000, proxy: 250_000, datagrams: 250_000 });
}, 300_000);
