/**
 * Listens for clients over UDP: one socket for all of them. A datagram that does not open gets no answer, not even an error, so
 * that a stranger learns nothing and can direct no answers at a victim; the gateway counts it.
 */
import { createSocket, type RemoteInfo, type Socket, type SocketOptions } from "node:dgram";
import { isIPv6 } from "node:net";
import { type Clock, guarded, reportCaught, type TimerWheel } from "@carillon/base";
import { CloseCode } from "@carillon/protocol";
import { ticketOf } from "@carillon/udp";
import { addressOf } from "../../listeners";
import type { Listener, ListenOptions } from "../doorkeeper";
import type { DroppedDatagrams } from "./dropped-datagrams";
import { UdpConnection, type UdpHost } from "./udp-connection";
import type { UdpAddress, UdpPath } from "./udp-path";
import type { UdpTickets } from "./udp-tickets";

/** The kernel may allow less; what does not fit is lost and sent again. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

export interface UdpListenOptions extends ListenOptions {
  tickets: UdpTickets;
  dropped: DroppedDatagrams;
  wheel: Pick<TimerWheel, "set" | "cancel">;
  clock: Pick<Clock, "monotonic">;
}

export async function listenUdp(options: UdpListenOptions): Promise<Listener> {
  const { listener } = options;
  const socket = createSocket({
    type: isIPv6(listener.host) ? "udp6" : "udp4",
    lookup: alreadyAnAddress,
  });
  const clients = new UdpClients(options, socket);
  const receive = guarded("socket", (datagram: Buffer, from: RemoteInfo) => clients.receive(datagram, from));
  const port = await bind(socket, listener.host, listener.port);
  socket.on("message", receive);
  return {
    transport: "udp",
    address: addressOf(listener, port),
    stopAccepting: () => clients.stopAccepting(),
    close: () => new Promise((resolve) => void socket.close(() => resolve())),
  };
}

/** The addresses of datagrams come from datagrams: nothing is looked up. */
const alreadyAnAddress: SocketOptions["lookup"] = (host, _, callback) => callback(null, host, isIPv6(host) ? 6 : 4);

async function bind(socket: Socket, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(port, host, () => {
      socket.off("error", reject);
      resolve();
    });
  });
  // A datagram that cannot be sent is one that was lost.
  socket.on("error", () => {});
  try {
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
  } catch {
    // The kernel's own size remains.
  }
  return socket.address().port;
}

class UdpClients implements UdpHost {
  private readonly byTicket = new Map<string, UdpConnection>();
  /** How the place of each connection is given back. */
  private readonly places = new WeakMap<UdpConnection, () => void>();
  private isAccepting = true;

  constructor(
    private readonly options: UdpListenOptions,
    private readonly socket: Socket,
  ) {}

  get mostQueuedBytes(): number {
    return this.options.mostQueuedBytes;
  }

  get wheel(): UdpHost["wheel"] {
    return this.options.wheel;
  }

  get clock(): UdpHost["clock"] {
    return this.options.clock;
  }

  stopAccepting(): void {
    this.isAccepting = false;
  }

  receive(datagram: Buffer, from: RemoteInfo): void {
    const id = ticketOf(datagram);
    const connection = id === undefined ? undefined : (this.byTicket.get(id) ?? this.begin(id, from));
    if (connection === undefined) return this.options.dropped.add("no-ticket", from.address);
    try {
      const arrival = connection.receive(datagram, from);
      if (arrival !== "genuine") this.options.dropped.add(arrival, from.address);
    } catch (error) {
      // All connections share the socket: the failure of one ends that one, as over TCP.
      reportCaught("socket", error, connection.remote);
      connection.close(CloseCode.INTERNAL);
    }
  }

  admit(connection: UdpConnection, { address }: UdpAddress): boolean {
    const { tickets, door, accept } = this.options;
    const id = idOf(connection);
    tickets.remove(id);
    const leave = door.admitAddress(address);
    if (leave === undefined) return false;
    this.places.set(connection, leave);
    this.byTicket.set(id, connection);
    accept(connection);
    return true;
  }

  forget(connection: UdpConnection): void {
    this.byTicket.delete(idOf(connection));
    this.places.get(connection)?.();
  }

  transmit(datagram: Buffer, { address, port }: UdpPath): void {
    // The callback keeps a failure from becoming an event of the socket: the datagram is lost, and sent again.
    this.socket.send(datagram, port, address, ignore);
  }

  /** The connection of an unused ticket; it counts from its first genuine datagram. */
  private begin(id: string, from: RemoteInfo): UdpConnection | undefined {
    const ticket = this.isAccepting ? this.options.tickets.find(id) : undefined;
    return ticket === undefined ? undefined : new UdpConnection(this, ticket, from);
  }
}

const idOf = ({ ticket }: UdpConnection) => ticket.ticketId.toString("hex");
const ignore = () => {};
