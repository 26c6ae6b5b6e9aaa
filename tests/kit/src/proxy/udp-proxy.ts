/**
 * A proxy for datagrams that treats them as bad networks do: it loses some, doubles some, delays some so that others overtake
 * them, and gives a client another address in mid-conversation. What happens to each datagram follows from the seed.
 */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { seeded } from "../seeded";

export interface BadNetwork {
  /** Share of the datagrams that are lost, 0 to 1. */
  loss?: number;
  /** Share that come twice. */
  doubled?: number;
  /** Each is delayed by up to this time, ms. */
  delayMs?: number;
}

/** One client behind the proxy: the socket that the gateway sees, and the place to which answers go. */
interface Way {
  socket: Socket;
  client: RemoteInfo;
}

export class UdpProxy {
  passed = 0;
  lost = 0;
  private network: BadNetwork = {};
  private isSilent = false;
  private readonly ways = new Map<string, Way>();
  private readonly random: () => number;
  private readonly timers = new Set<ReturnType<typeof setTimeout>>();

  private constructor(
    private readonly listener: Socket,
    private readonly target: { host: string; port: number },
    seed: number,
  ) {
    this.random = seeded(seed);
    listener.on("message", (datagram, from) => this.toGateway(datagram, from));
  }

  /** Listens on a free loopback port. @param address `host:port` of the gateway */
  static async open(address: string, seed: number): Promise<UdpProxy> {
    const [host, port] = address.split(":") as [string, string];
    return new UdpProxy(await bound(), { host, port: Number(port) }, seed);
  }

  /** The address for clients. */
  get address(): string {
    return `127.0.0.1:${this.listener.address().port}`;
  }

  become(network: BadNetwork): void {
    this.network = network;
  }

  /** Nothing passes from now on, in either direction, until `heal`. */
  silence(): void {
    this.isSilent = true;
  }

  heal(): void {
    this.isSilent = false;
  }

  /** From now on the gateway sees each client at another address, and answers to the former one are lost. */
  changeAddresses(): void {
    for (const { socket } of this.ways.values()) socket.close();
    this.ways.clear();
  }

  close(): void {
    for (const timer of this.timers) clearTimeout(timer);
    this.changeAddresses();
    this.listener.close();
  }

  private toGateway(datagram: Buffer, client: RemoteInfo): void {
    const key = `${client.address}:${client.port}`;
    let way = this.ways.get(key);
    if (way === undefined) {
      way = { socket: createSocket("udp4"), client };
      this.ways.set(key, way);
      const { socket } = way;
      socket.on("message", (answer) =>
        this.pass(() => this.listener.send(answer, client.port, client.address, () => {})),
      );
      socket.on("error", () => {});
      socket.bind(0, "127.0.0.1");
    }
    const { socket } = way;
    const { host, port } = this.target;
    this.pass(() => {
      if (this.ways.get(key)?.socket === socket) socket.send(datagram, port, host, () => {});
    });
  }

  private pass(send: () => void): void {
    const { loss = 0, doubled = 0, delayMs = 0 } = this.network;
    const isLost = this.random() < loss || this.isSilent;
    const copies = this.random() < doubled ? 2 : 1;
    if (isLost) {
      this.lost++;
      return;
    }
    this.passed++;
    for (let copy = 0; copy < copies; copy++) this.later(send, this.random() * delayMs);
  }

  private later(send: () => void, ms: number): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      send();
    }, ms);
    this.timers.add(timer);
  }
}

function bound(): Promise<Socket> {
  const socket = createSocket("udp4");
  return new Promise((resolve) => socket.bind(0, "127.0.0.1", () => resolve(socket)));
}
