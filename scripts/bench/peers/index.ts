/** The servers of others that Carillon is measured against in the same run. */
import type { Contestant } from "./contestant";

export const peers: Contestant[] = [];
