/** The other servers that the bench measures beside Carillon in the same run. */
import type { Contestant } from "./contestant";
import { ejabberd } from "./ejabberd";
import { mosquitto } from "./mosquitto";
import { socketIo } from "./socketio";

export const peers: Contestant[] = [ejabberd, socketIo, mosquitto];
