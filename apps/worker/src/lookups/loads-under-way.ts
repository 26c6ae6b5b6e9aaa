/**
 * Questions to MySQL that are under way. What was asked before a change and is answered after it may be what was so
 * before: it must not be remembered, or the order to forget would be undone.
 */
export class LoadsUnderWay {
  /** For each load, what was forgotten since it began; undefined in it: everything. */
  private readonly loads = new Set<Set<string | undefined>>();

  /** @returns the answer, and which keys were forgotten meanwhile: what it says of them is void */
  async run<T>(load: () => Promise<T>): Promise<{ found: T; isVoid(key: string): boolean }> {
    const forgotten = new Set<string | undefined>();
    this.loads.add(forgotten);
    try {
      const found = await load();
      return { found, isVoid: (key) => forgotten.has(key) || forgotten.has(undefined) };
    } finally {
      this.loads.delete(forgotten);
    }
  }

  /** @param key absent: everything */
  forget(key?: string): void {
    for (const forgotten of this.loads) forgotten.add(key);
  }
}
