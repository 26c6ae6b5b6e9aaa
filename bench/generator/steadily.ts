const TICK_MS = 5;

/** Calls a function this many times a second, on average. @returns a function that ends it */
export function steadily(perSecond: number, act: (n: number) => void): () => void {
  const startedAt = performance.now();
  let done = 0;
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedAt) / 1_000) * perSecond);
    while (done < due) act(done++);
  }, TICK_MS);
  return () => clearInterval(timer);
}
