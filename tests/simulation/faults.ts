/** The faults of a run: the seed chooses them and their times. */
import { armFailPoint } from "@carillon/base/node";
import { CALM, type Fates } from "./connection";
import { PLACES } from "./coverage";
import type { World } from "./world";

const STORM: Fates = { requestLost: 0.08, answerLost: 0.12, late: 0.05, refusedWithoutCause: 0.1 };

type Fault = (world: World) => void;

const FAULTS: readonly Fault[] = [
  (world) => armFailPoint(`${world.random.pick(PLACES)}:kill`, true),
  (world) => armFailPoint(`${world.random.pick(PLACES)}:kill`, true),
  (world) => armFailPoint(`${world.random.pick(PLACES)}:pause`, true),
  (world) => world.crash(world.random.pick(world.living)),
  (world) => {
    world.coverage.count("workers paused");
    world.hold(world.random.pick(world.living), "pausedUntil", world.random.between(500, 6_000));
  },
  (world) => {
    world.coverage.count("links cut");
    world.hold(world.random.pick(world.living), "cutUntil", world.random.between(500, 5_000));
  },
  (world) => {
    for (const { connection } of world.living) connection.fates = STORM;
    world.time.after(world.random.between(500, 3_000), () => {
      for (const { connection } of world.living) connection.fates = CALM;
    });
  },
  (world) => {
    world.coverage.count("Redis wiped");
    world.redis.wipe();
  },
  (world) => {
    world.redis.isAway = true;
    world.time.after(world.random.between(300, 2_000), () => {
      world.redis.isAway = false;
    });
  },
  (world) => {
    world.coverage.count("MySQL away");
    world.mysql.isAway = true;
    world.time.after(world.random.between(300, 3_000), () => {
      world.mysql.isAway = false;
    });
  },
  (world) => {
    world.coverage.count("log full");
    const log = world.random.pick(world.logs);
    log.full = true;
    world.time.after(world.random.between(100, 1_000), () => {
      log.full = false;
    });
  },
  (world) => {
    // This is rare, since three workers have to die of the text before it is put aside.
    if (world.random.chance(0.05)) world.poison ??= world.clients.openText;
    armPoison(world);
  },
  (world) => world.prefer(world.random.below(3)),
  (world) => {
    for (const consumer of world.network.consumers.values()) consumer.lose(world.random.between(0, 400));
  },
];

/** A worker that decides about the poisonous text dies. */
export function armPoison({ poison }: World): void {
  if (poison !== undefined) armFailPoint(`decide.before:kill:${poison}`, false);
}

/** Spreads `count` faults over the next `ms`. */
export function scheduleFaults(world: World, count: number, ms: number): void {
  for (let i = 0; i < count; i++) {
    world.time.after(world.random.between(0, ms), () => {
      world.coverage.count("failures injected");
      if (world.living.length > 0) world.random.pick(FAULTS)(world);
    });
  }
}

/** Ends all faults. */
export function heal(world: World): void {
  world.redis.isAway = false;
  world.mysql.isAway = false;
  for (const log of world.logs) log.full = false;
  world.network.wordsLost = 0;
  for (const { connection } of world.living) {
    connection.fates = CALM;
    connection.cutUntil = 0;
  }
}
