/** The servers of others that Carillon is measured against in the same run. */
import type { Contestant } from "./contestant";
import { ejabberd } from "./ejabberd";
import { mosquitto } from "./mosquitto";
import { socketIo } from "./socketio";

export const peers: Contestant[] = [ejabberd, socketIo, mosquitto];
