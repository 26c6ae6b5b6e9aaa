/** Sessions over UDP: sealed datagrams that carry a stream of bytes each way. docs/protocol.md describes them for clients. */
export { UdpSocket, type UdpSocketEvents } from "./client-socket";
export { Direction, seal, ticketOf, unseal } from "./datagram";
export {
  type Arrival,
  type EndpointEvents,
  type EndpointOwner,
  readTicket,
  type TicketInHex,
  UdpEndpoint,
  type UdpTicket,
} from "./endpoint";
export { PartsWriter, readParts } from "./parts";
export { udp } from "./sizes";
