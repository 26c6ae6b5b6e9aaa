/**
 * Snowflake ids (after Twitter's scheme of 2010): 41 bits of ms since 2024, 10 bits of partition, 12 bits of
 * counter, as decimal text. A partition has one writer, so the pair (ms, counter) needs no machine number.
 *
 * The clock may stand still or be behind the last id (another owner's clock was ahead). Then the last ms is used again, and
 * when its 4,096 numbers are spent, the next ms is borrowed. So the ids of a partition always grow.
 */
const EPOCH_MS = 1_704_067_200_000;
const COUNTERS = 4096;
const PARTITIONS = 1024n;

export interface SnowflakeState {
  /** ms since the Unix epoch of the last id. */
  ms: number;
  /** Counter of the last id inside its ms. */
  counter: number;
}

/** Advances `state` and returns the next id of `partition` (0..1023). */
export function nextSnowflake(state: SnowflakeState, partition: number, now: number): string {
  if (now > state.ms) {
    state.ms = now;
    state.counter = 0;
  } else if (++state.counter === COUNTERS) {
    state.ms++;
    state.counter = 0;
  }
  const low = partition * COUNTERS + state.counter;
  return (BigInt(state.ms - EPOCH_MS) * (PARTITIONS * 4096n) + BigInt(low)).toString();
}

/** Splits an id into its parts; folding a log needs them to set the state to its last id. */
export function parseSnowflake(id: string): SnowflakeState & { partition: number } {
  const value = BigInt(id);
  const low = Number(value % (PARTITIONS * 4096n));
  return {
    ms: Number(value / (PARTITIONS * 4096n)) + EPOCH_MS,
    partition: Math.floor(low / COUNTERS),
    counter: low % COUNTERS,
  };
}

/** The lowest id that any partition creates at that time, ms since the Unix epoch; ids before 2024 do not exist. */
export function snowflakeAt(ms: number): string {
  return (BigInt(Math.max(0, ms - EPOCH_MS)) * (PARTITIONS * 4096n)).toString();
}
