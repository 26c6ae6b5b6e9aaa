/** A violation of an invariant of guarantees.md. */
export interface Violation {
  invariant: "I1" | "I2" | "I3" | "I4" | "I5" | "I6" | "I7" | "I8" | "I9" | "I10" | "I11";
  what: string;
}

export function violation(invariant: Violation["invariant"], what: string): Violation {
  return { invariant, what };
}

/** Groups a list by a key, keeping the order. */
export function groupBy<T>(items: Iterable<T>, key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return groups;
}

/** `p:alice:bob #7`. */
export function place({ conversationId, seq }: { conversationId: string; seq: number }): string {
  return `${conversationId} #${seq}`;
}
