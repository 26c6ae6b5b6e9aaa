/** The events by which a page hears of the network and of its visibility; other platforms have none. */

interface Page {
  addEventListener?(type: string, listener: () => void): void;
  removeEventListener?(type: string, listener: () => void): void;
  document?: Page & { visibilityState?: string };
}

export interface NetworkHints {
  /** Called when the network may be there again, or the page is visible again. */
  onHope(): void;
  /** Called when there is no network. */
  onLost(): void;
}

/** @returns an unsubscribe function */
export function listenToPage({ onHope, onLost }: NetworkHints, page: Page = globalThis as Page): () => void {
  const onVisible = () => {
    if (page.document?.visibilityState === "visible") onHope();
  };
  const heard: [target: Page | undefined, type: string, listener: () => void][] = [
    [page, "online", onHope],
    [page, "pageshow", onHope],
    [page, "offline", onLost],
    [page.document, "visibilitychange", onVisible],
  ];
  for (const [target, type, listener] of heard) target?.addEventListener?.(type, listener);
  return () => {
    for (const [target, type, listener] of heard) target?.removeEventListener?.(type, listener);
  };
}
