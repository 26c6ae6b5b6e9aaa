/** The servers of others that Carillon is measured against in the same run. */
import type { Contestant } from "./contestant";
import { mosquitto } from "./mosquitto";
import { socketIo } from "./socketio";

export const peers: Contestant[] = [socketIo, mosquitto];
