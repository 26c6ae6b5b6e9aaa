/** Attacks by datagrams: rubbish, nearly good ones, and genuine ones with odd parts, under a ticket of the attacker. */
import { createSocket } from "node:dgram";
import { askForTicket, type UdpPlace } from "@carillon/testkit";
import { Direction, PartsWriter, readTicket, seal, ticketOf, udp, unseal } from "@carillon/udp";
import { type Attack, Finding, type Scene } from "../attack";
import { mutateBytes } from "../mutate";
import { anyParts } from "../parts";
import type { Random } from "../random";
import { anyFrame, connectFrame } from "./tcp";

const MOST_INPUTS = 60;
const PAUSE_MS = 30;

/** @returns undefined when the attacker has asked for too many */
async function takeTicket({ api, attacker }: Scene): Promise<UdpPlace | undefined> {
  const answer = await askForTicket(`http://${api.host}:${api.port}`, attacker.token);
  if (answer.status >= 500 && answer.status !== 503) throw new Finding(`a ticket was answered by ${answer.status}`);
  return answer.status === 201 ? ((await answer.json()) as UdpPlace) : undefined;
}

export const datagrams: Attack = {
  name: "udp",
  about: "datagrams that do not open, are repeated, or are genuine and contain odd parts or frames",
  run: async (random, scene) => {
    const ticket = await takeTicket(scene);
    if (ticket === undefined) return 0;
    const [host, port] = ticket.address.split(":") as [string, string];
    const socket = createSocket("udp4");
    const heard: Buffer[] = [];
    socket.on("message", (datagram) => void heard.push(datagram));
    const send = (bytes: Buffer) => new Promise<void>((done) => socket.send(bytes, Number(port), host, () => done()));
    const session = new Session(random, ticket, scene);
    let inputs = 0;
    for (let i = random.between(1, MOST_INPUTS); i > 0; i--) {
      await send(session.next());
      if (random.chance(0.2)) await new Promise((done) => setTimeout(done, random.below(PAUSE_MS)));
      inputs++;
    }
    await new Promise((done) => setTimeout(done, PAUSE_MS));
    socket.close();
    // The port may have been that of an earlier attack, whose session is still sent what was not acknowledged.
    const own = heard.filter((datagram) => ticketOf(datagram) === ticket.ticketId);
    const isForged = (datagram: Buffer) => unseal(Direction.TO_CLIENT, readTicket(ticket).key, datagram) === undefined;
    if (own.some(isForged)) throw new Finding("a gateway sent a datagram that does not open");
    return inputs;
  },
};

class Session {
  private number = 0;
  private offset = 0;
  private last: Buffer = Buffer.alloc(40);

  constructor(
    private readonly random: Random,
    private readonly ticket: UdpPlace,
    private readonly scene: Scene,
  ) {}

  next(): Buffer {
    const { random } = this;
    switch (random.below(6)) {
      case 0:
        return random.bytes(random.between(0, 1_300));
      case 1:
        return mutateBytes(random, this.last);
      case 2:
        return this.last;
      case 3:
        return this.sealed(this.stream());
      default:
        return this.sealed(anyParts(random));
    }
  }

  private sealed(parts: Buffer): Buffer {
    const { ticketId, key } = readTicket(this.ticket);
    // Sometimes a number is left out, or comes from far ahead.
    this.number += this.random.chance(0.1) ? this.random.between(2, 3_000) : 1;
    const most = udp.datagramBytes - udp.headerBytes - udp.tagBytes;
    const bytes = parts.subarray(0, most);
    this.last = seal(Direction.TO_GATEWAY, ticketId, key, this.number, bytes);
    return this.last;
  }

  /** The next bytes of the stream: a CONNECT first, then any frames. */
  private stream(): Buffer {
    const frame = this.offset === 0 ? connectFrame(this.scene) : anyFrame(this.random, this.scene);
    const bytes = frame.subarray(0, udp.segmentBytes);
    const writer = new PartsWriter();
    writer.data(this.offset, bytes);
    this.offset += bytes.length;
    return writer.parts;
  }
}
