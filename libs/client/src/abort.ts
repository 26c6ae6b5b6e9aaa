/** Functions for abort signals on platforms whose AbortSignal lacks them, such as React Native. */

/**
 * Throws if the signal is aborted.
 * @throws the reason of the signal, or an Error if the platform keeps no reason
 */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw signal.reason ?? new Error("aborted");
}

/** Runs `work` with a signal that is aborted after `ms` milliseconds. */
export async function withTimeout<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error(`no answer in ${ms} ms`)), ms);
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
  }
}
