/** What tabs of one browser have in common: a lock that one of them holds, and a channel that all of them hear. */

/** As `navigator.locks`, of which this is a part. */
export interface Locks {
  request(
    name: string,
    options: { signal?: AbortSignal; steal?: boolean; ifAvailable?: boolean },
    /** Given null where the lock is held, and was asked for `ifAvailable`. */
    hold: (lock: unknown) => Promise<unknown>,
  ): Promise<unknown>;
}

/** As a BroadcastChannel, of which this is a part. */
export interface Channel {
  onmessage: ((event: { data: unknown }) => void) | null;
  postMessage(value: unknown): void;
  close(): void;
}

export interface Browser {
  /** Undefined in pages that are not secure, and in old browsers. */
  locks: Locks | undefined;
  openChannel(name: string): Channel;
}

/** @returns undefined where there are no tabs */
export function platformBrowser(): Browser | undefined {
  const { navigator, BroadcastChannel } = globalThis as unknown as {
    navigator?: { locks?: Locks };
    BroadcastChannel?: new (name: string) => Channel;
  };
  if (navigator === undefined || BroadcastChannel === undefined) return undefined;
  return { locks: navigator.locks, openChannel: (name) => new BroadcastChannel(name) };
}
