/** Random choices by a seed: the same seed makes the same inputs. */
import { seeded } from "@carillon/testkit";

/** Integers at which decoders and databases change their minds. */
const EDGES = [0, 1, -1, 127, 128, 255, 256, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff];
const LARGE = [2 ** 53 - 1, 2 ** 53, -(2 ** 53), 9_000_000_000_000_000_000, 1e30, 1e308, 0.5, -0.5, 1e-7];

/** Texts that are less harmless than they look. */
const ODD_TEXTS = [
  "",
  " ",
  "\u0000",
  "\ud800",
  "\udfff\ud800",
  "\u202e",
  "\u200b",
  "\ufeff",
  "\u001b]52;c;aGk=\u0007",
  "me",
  "current",
  "__proto__",
  "constructor",
  "toString",
  "../../etc/passwd",
  "%00",
  "%ff",
  "'; DROP TABLE users; --",
  "a.b.c",
  "*",
  ">",
  "u:",
  "g:",
  "p:a:a",
  "p:b:a",
  "😀".repeat(64),
  "é".repeat(200),
  "x".repeat(65),
  "x".repeat(5_000),
];

export class Random {
  private readonly next: () => number;

  constructor(seed: number) {
    this.next = seeded(seed);
  }

  /** Returns an integer of at least 0 and below `most`. */
  below(most: number): number {
    return Math.floor(this.next() * most);
  }

  /** Returns an integer from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.below(256)));
  }

  number(): number {
    return this.pick([this.pick(EDGES), this.pick(LARGE), this.below(2 ** 31)]);
  }

  text(): string {
    if (this.chance(0.7)) return this.pick(ODD_TEXTS);
    return Array.from({ length: this.below(40) }, () => String.fromCharCode(this.below(0x10000))).join("");
  }

  /** Returns a value of JSON that no program expects. */
  value(depth = 0): unknown {
    switch (this.below(depth > 3 ? 5 : 8)) {
      case 0:
        return null;
      case 1:
        return this.chance(0.5);
      case 2:
        return this.number();
      case 3:
      case 4:
        return this.text();
      case 5:
        return Array.from({ length: this.below(5) }, () => this.value(depth + 1));
      case 6:
        return this.deep(this.between(8, 200));
      default:
        return Object.fromEntries(Array.from({ length: this.below(4) }, () => [this.text(), this.value(depth + 1)]));
    }
  }

  private deep(levels: number): unknown {
    let value: unknown = this.number();
    for (let i = 0; i < levels; i++) value = this.chance(0.5) ? [value] : { a: value };
    return value;
  }
}
