/** What a page hears of the network, and of being looked at; nowhere else is there anything to hear. */

interface Page {
  addEventListener?(type: string, listener: () => void): void;
  removeEventListener?(type: string, listener: () => void): void;
  document?: Page & { visibilityState?: string };
}

export interface NetworkHints {
  /** The network may be there again, or somebody looks at the page again. */
  onHope(): void;
  /** There is no network. */
  onLost(): void;
}

/** @returns ends the listening */
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
