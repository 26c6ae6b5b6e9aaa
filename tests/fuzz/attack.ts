/** The parts that all attacks share: their input, and the error by which they report a fault. */
import type { Random } from "./random";
import type { Names } from "./samples";
import type { Place } from "./wire";

/** A cluster and its users, as one attacker sees them. */
export interface Scene {
  gateways: { tcp: Place; ws: Place }[];
  api: Place;
  /** Address from which the attacker connects. */
  from: string;
  /** The attacker's own account. */
  attacker: Names & { deviceId: string; token: string };
  /** Routes of the api, from its own documentation. */
  routes: Route[];
}

export interface Route {
  method: string;
  /** With {parameters}. */
  path: string;
  /** A good body, where there is one. */
  body?: unknown;
}

export interface Attack {
  name: string;
  about: string;
  /**
   * Opens one connection or several, and sends many inputs.
   * @returns the number of inputs: frames, messages, requests, broken handshakes
   * @throws Finding
   */
  run(random: Random, scene: Scene): Promise<number>;
}

/** A server answered or behaved as no server may. */
export class Finding extends Error {}
