/** Asks a gateway for a ticket, with which one device opens one session over UDP. */
import { rpcSubject } from "../streams/definitions";
import { questionTo } from "./question";

export const udpTicket = questionTo<[gateway: string], UdpTicketQuestion, UdpTicketAnswer>((gateway) =>
  rpcSubject(`udp.${gateway}`),
);

export interface UdpTicketQuestion {
  userId: string;
  deviceId: string;
}

export interface UdpTicketAnswer {
  /** 8 bytes. */
  ticketId: Uint8Array;
  /** 32 bytes. */
  key: Uint8Array;
  /** Time in which the ticket must be used, s. */
  expiresIn: number;
}
