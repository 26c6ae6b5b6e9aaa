const TICK_MS = 5;

/** Does something so many times a second, on average. @returns ends it */
export function steadily(perSecond: number, act: (n: number) => void): () => void {
  const startedAt = performance.now();
  let done = 0;
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedAt) / 1_000) * perSecond);
    while (done < due) act(done++);
  }, TICK_MS);
  return () => clearInterval(timer);
}
