/** What all attacks share: what they are given, and how they say that something is wrong. */
import type { Random } from "./random";
import type { Names } from "./samples";
import type { Place } from "./wire";

/** A server and people, as one attacker sees them. */
export interface Scene {
  gateways: { tcp: Place; ws: Place }[];
  api: Place;
  /** Address that the attacker comes from. */
  from: string;
  /** The attacker's own account. */
  attacker: Names & { deviceId: string; token: string };
  /** Routes of the api, as its own documentation tells them. */
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
   * One connection, or some, with many inputs.
   * @returns the number of inputs: frames, messages, requests, handshakes that were broken off
   * @throws Finding
   */
  run(random: Random, scene: Scene): Promise<number>;
}

/** A server answered or behaved as none may. */
export class Finding extends Error {}
