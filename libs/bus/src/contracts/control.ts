/** Orders of operators to a node, served by the node itself (rpc/control.ts). */
import { controlSubject } from "../streams/definitions";
import { questionTo } from "./question";

export const nodeControl = questionTo<[role: string, nodeId: string], ControlQuestion, ControlAnswer>(controlSubject);

export type ControlQuestion =
  | { ask: "state" }
  | { ask: "drain" }
  | { ask: "undrain" }
  | { ask: "kick"; userId: string; deviceId?: string }
  | ({ ask: "forget" } & People)
  /** Forgets the failed log-ins of a user; only for apis. */
  | { ask: "unlock"; userId: string }
  /** Arms a fail point for one strike, or with `off` disarms them all; tests only. */
  | { ask: "failpoint"; at: string };

/** The answer to every order: the node's state after it. */
export interface ControlAnswer {
  nodeId: string;
  state: string;
  /** Numbers that show how busy the node is, by name; after `kick` the number of closed connections. */
  load: Record<string, number>;
  /** Fingerprint of this node's ring of gateways; only gateways name it. */
  ring?: string;
}

/** Users, and pairs of users, whose cached facts have changed. */
export interface People {
  users: string[];
  pairs: [string, string][];
}
