/** The tickets of this gateway: each lets one device open one session over UDP. They live in memory, and end with the process. */
import { randomFillSync } from "node:crypto";
import type { TimerWheel, WheelEntry } from "@carillon/base";
import type { UdpTicketAnswer } from "@carillon/bus";
import { busy } from "@carillon/protocol";
import { type UdpTicket, udp } from "@carillon/udp";
import type { DeviceOfUser } from "../client-connection";

export interface IssuedTicket extends UdpTicket {
  ticketId: Buffer;
  owner: DeviceOfUser;
}

/** The time in which a ticket must be used, ms. */
const UNUSED_MS = 60_000;
/** Tickets that may be unused at once; each is some hundred bytes. */
const MOST_UNUSED = 20_000;

export class UdpTickets {
  private readonly byId = new Map<string, { ticket: IssuedTicket; expiry: WheelEntry }>();
  /** A device has one unused ticket: the last. */
  private readonly byDevice = new Map<string, string>();

  constructor(private readonly wheel: Pick<TimerWheel, "set" | "cancel">) {}

  /** @throws CarillonError BUSY when too many tickets wait to be used */
  issue(owner: DeviceOfUser): UdpTicketAnswer {
    const device = deviceOf(owner);
    const former = this.byDevice.get(device);
    if (former !== undefined) this.remove(former);
    if (this.byId.size >= MOST_UNUSED) throw busy({ message: "too many UDP tickets wait to be used" });
    // Small buffers of the pool, because each of `randomBytes` has memory of its own.
    const [ticketId, key] = [Buffer.allocUnsafe(udp.ticketBytes), Buffer.allocUnsafe(udp.keyBytes)];
    for (const each of [ticketId, key]) randomFillSync(each);
    const ticket = { ticketId, key, owner };
    const id = ticket.ticketId.toString("hex");
    const expiry: WheelEntry = { due: -1, expire: () => this.remove(id) };
    this.wheel.set(expiry, UNUSED_MS);
    this.byId.set(id, { ticket, expiry });
    this.byDevice.set(device, id);
    return { ticketId: ticket.ticketId, key: ticket.key, expiresIn: UNUSED_MS / 1_000 };
  }

  /** Returns an unused ticket. @param id in hex */
  find(id: string): IssuedTicket | undefined {
    return this.byId.get(id)?.ticket;
  }

  /** Called when a ticket is used, or must not be used any more. */
  remove(id: string): void {
    const found = this.byId.get(id);
    if (found === undefined) return;
    this.wheel.cancel(found.expiry);
    this.byId.delete(id);
    this.byDevice.delete(deviceOf(found.ticket.owner));
  }
}

const deviceOf = ({ userId, deviceId }: DeviceOfUser) => JSON.stringify([userId, deviceId]);
