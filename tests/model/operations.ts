/** The operations of a run, chosen by a seed. A person, a group or a device is a small number. */
import { Random } from "../simulation/random";

export const PEOPLE = 6;
export const DEVICES = 2;

export type JoinPolicy = "open" | "approval" | "invite";

/** `who` acts, on `whom`; `group` is a place for a group, which may be empty. */
export type Operation =
  | { do: "ask" | "accept" | "reject" | "unfriend" | "block" | "unblock" | "befriend"; who: number; whom: number }
  | { do: "write"; who: number; whom: number; text: string }
  | { do: "create"; who: number; group: number; others: number[]; joinPolicy: JoinPolicy }
  | { do: "join" | "let-in" | "turn-down" | "remove" | "transfer"; who: number; group: number; whom: number }
  | { do: "role"; who: number; group: number; whom: number; role: "admin" | "member" }
  | { do: "mute"; who: number; group: number; whom: number; isMuted: boolean }
  | { do: "mute-all"; who: number; group: number; isMuted: boolean }
  | { do: "dissolve"; who: number; group: number }
  | { do: "say"; who: number; group: number; text: string }
  /** `which` counts back from the newest event of the conversation. */
  | { do: "recall"; who: number; whom: number; which: number }
  | { do: "recall-in"; who: number; group: number; which: number }
  /** The person reads up to an event, which is counted back in the same way. */
  | { do: "read"; who: number; whom: number; which: number }
  | { do: "read-in"; who: number; group: number; which: number }
  | { do: "arrange"; who: number; whom: number; how: Arrangement }
  | { do: "arrange-in"; who: number; group: number; how: Arrangement }
  | { do: "offline" | "online"; who: number; device: number }
  | { do: "look"; who: number; device: number; group: number | undefined };

/** A person changes their own settings of a conversation. */
export type Arrangement = "pin" | "unpin" | "mute" | "unmute" | "clear";

type Kind = Operation["do"];

/** The weight of each operation. */
const WEIGHTS: Record<Kind, number> = {
  ask: 2,
  accept: 1,
  reject: 1,
  unfriend: 1,
  block: 2,
  unblock: 2,
  befriend: 6,
  write: 14,
  create: 4,
  join: 10,
  "let-in": 2,
  "turn-down": 1,
  remove: 6,
  transfer: 1,
  role: 3,
  mute: 2,
  "mute-all": 1,
  dissolve: 1,
  say: 18,
  recall: 3,
  "recall-in": 4,
  read: 6,
  "read-in": 8,
  arrange: 3,
  "arrange-in": 4,
  offline: 7,
  online: 7,
  look: 4,
};

const KINDS = Object.entries(WEIGHTS).flatMap(([kind, weight]) => Array<Kind>(weight).fill(kind as Kind));

export function operationsOf(seed: number, count: number): Operation[] {
  const random = new Random(seed);
  return Array.from({ length: count }, (_, index) => operation(random, index));
}

function operation(random: Random, index: number): Operation {
  const kind = random.pick(KINDS);
  const who = random.below(PEOPLE);
  const whom = (who + 1 + random.below(PEOPLE - 1)) % PEOPLE;
  // The first place is used more often, so that its group lives.
  const group = random.chance(0.75) ? 0 : 1;
  const text = `${index}`;
  switch (kind) {
    case "ask":
    case "accept":
    case "reject":
    case "unfriend":
    case "block":
    case "unblock":
    case "befriend":
      return { do: kind, who, whom };
    case "write":
      return { do: kind, who, whom, text };
    case "create": {
      const others = Array.from({ length: PEOPLE }, (_, i) => i).filter((i) => i !== who && random.chance(0.5));
      return { do: kind, who, group, others, joinPolicy: random.pick(["open", "open", "approval", "invite"] as const) };
    }
    case "join":
    case "remove":
      // The person often joins or leaves themselves.
      return { do: kind, who, group, whom: random.chance(0.4) ? who : whom };
    case "let-in":
    case "turn-down":
    case "transfer":
      return { do: kind, who, group, whom };
    case "role":
      return {
        do: kind,
        who,
        group,
        whom: random.chance(0.1) ? who : whom,
        role: random.pick(["admin", "member"] as const),
      };
    case "mute":
      return { do: kind, who, group, whom, isMuted: random.chance(0.6) };
    case "mute-all":
      return { do: kind, who, group, isMuted: random.chance(0.4) };
    case "dissolve":
      // This is rare, since otherwise no group would live.
      return random.chance(0.3) ? { do: kind, who, group } : { do: "say", who, group, text };
    case "say":
      return { do: kind, who, group, text };
    case "recall":
      return { do: kind, who, whom, which: random.below(4) };
    case "recall-in":
      return { do: kind, who, group, which: random.below(6) };
    case "read":
      return { do: kind, who, whom, which: random.below(4) };
    case "read-in":
      return { do: kind, who, group, which: random.below(6) };
    case "arrange":
      return { do: kind, who, whom, how: arrangement(random) };
    case "arrange-in":
      return { do: kind, who, group, how: arrangement(random) };
    case "offline":
    case "online":
      return { do: kind, who, device: random.below(DEVICES) };
    case "look":
      return { do: kind, who, device: random.below(DEVICES), group: random.chance(0.7) ? group : undefined };
  }
}

function arrangement(random: Random): Arrangement {
  return random.pick(["pin", "unpin", "mute", "unmute", "clear"] as const);
}
