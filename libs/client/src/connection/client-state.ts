/** Where a client stands; every change is an event. */
export type ClientState =
  /** `connect` was not called yet. */
  | { name: "idle" }
  /** A gateway is being looked for. */
  | { name: "connecting" }
  | { name: "online"; gatewayId: string }
  /** The last try failed; the next one comes by itself. */
  | { name: "waiting"; retryInMs: number; error: Error }
  /** Over: by `close`, or by a refusal that trying again does not cure (then with its error). */
  | { name: "closed"; error?: Error };
