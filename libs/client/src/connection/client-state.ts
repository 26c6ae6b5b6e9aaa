/** Where a client stands; every change is an event. */
export type ClientState =
  /** `connect` was not called yet. */
  | { name: "idle" }
  /** A gateway is being looked for. */
  | { name: "connecting" }
  | { name: "online"; gatewayId: string }
  /** The last try failed; the next one comes by itself. */
  | { name: "waiting"; retryInMs: number; error: Error }
  /**
   * Another client with the same device has the connection; what is written here is kept. `takeOver` brings the connection here.
   * Only in browsers without Web Locks, or where the storage was copied.
   */
  | { name: "elsewhere" }
  /** Over: by `close`, or by a refusal that trying again does not cure (then with its error). */
  | { name: "closed"; error?: Error };
