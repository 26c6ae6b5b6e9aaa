/** UDP: datagrams that carry the same stream of frames as TCP, encrypted under a ticket of the gateway. */
import { FrameDecoder } from "@carillon/protocol";
import { readTicket, type TicketInHex, UdpSocket } from "@carillon/udp";
import type { Link, LinkEvents, Transport } from "../connection/transport";
import { addressFor, LinkBuffer } from "../connection/transport";

/**
 * Frames over UDP: the transport `"udp"`, for devices that change networks often. A change of the device's address does not end the
 * connection. Each connection takes a ticket from the API, which must be reached over https for the encryption to mean anything.
 */
export const udpTransport: Transport = {
  open: async (address, timeoutMs, api) => {
    const place = addressFor("udp", address);
    const { gatewayId } = address;
    const answer = await api.call<TicketInHex>("POST", "/v1/udp-tickets", {
      body: { gatewayId },
    });
    const link = new UdpLink();
    await link.open((events) => UdpSocket.open(place, readTicket(answer), timeoutMs, events));
    return link;
  },
};

class UdpLink implements Link {
  readonly #buffer = new LinkBuffer();
  readonly #decoder = new FrameDecoder();
  #socket: UdpSocket | undefined;

  async open(openSocket: (events: UdpLink) => Promise<UdpSocket>): Promise<void> {
    this.#socket = await openSocket(this);
  }

  attach(events: LinkEvents): void {
    this.#buffer.attach(events);
  }

  send(frames: Uint8Array): void {
    this.#socket?.write(frames);
  }

  close(): void {
    this.#socket?.close();
    this.#buffer.onClosed(undefined);
  }

  onBytes(bytes: Uint8Array): void {
    for (const frame of this.#decoder.push(bytes)) this.#buffer.onFrame(frame);
    if (this.#decoder.fault !== undefined) this.close();
  }

  onClosed(code: number | undefined): void {
    this.#buffer.onClosed(code);
  }
}
