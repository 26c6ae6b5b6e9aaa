/** A gateway with a device of each user, for large groups only: the gateway's real code follows groups, devices are simulated. */
import { getOrSet } from "@carillon/base";
import { largeGroupsRead, serve } from "@carillon/bus";
import {
  CarillonError,
  Command,
  decodeFrames,
  type NotifyPayload,
  type PulledPayload,
  parseServerMessage,
} from "@carillon/protocol";
import { LargeGroups } from "../../apps/gateway/dist/groups/large-groups";
import type { Session } from "../../apps/gateway/dist/session/session";
import type { UserRegistry } from "../../apps/gateway/dist/session/user-registry";
import { Connection, type Network } from "./connection";
import { GROUP_CONVERSATION, type SimGroups } from "./groups";
import type { SeenEvent } from "./observer";
import type { SimMysql } from "./stores";

interface Device {
  session: Session;
  /** Highest number of the group in an event or a notice. */
  known: number;
  /** All numbers that the device got, by notices and events. */
  told: { seq: number; isEvent: boolean }[];
}

export class SimGateway {
  readonly violations: string[] = [];
  readonly groups: LargeGroups;
  private readonly devices = new Map<string, Device>();

  constructor(
    private readonly network: Network,
    private readonly simGroups: SimGroups,
    mysql: SimMysql,
    private readonly users: string[],
  ) {
    const { bus } = new Connection("gateway", network);
    const registry = {
      user: (userId: string) => {
        const device = this.devices.get(userId);
        return device && { sessions: new Set([device.session]) };
      },
      userIds: users,
    };
    serve(bus, largeGroupsRead, ({ userIds }) => {
      if (mysql.isAway) throw new CarillonError("BUSY");
      return simGroups.largeGroupsOf(userIds);
    });
    this.groups = new LargeGroups(bus, network.partitions, registry as unknown as UserRegistry);
    for (const userId of users) this.connect(userId);
  }

  /** A user connects, disconnects, looks at the group or stops looking. */
  act(isEnding: boolean): void {
    const { random } = this.network;
    const userId = random.pick(this.users);
    const device = this.devices.get(userId);
    if (device === undefined) return this.connect(userId);
    // In the end each device must know the last number, whether its user looks or not.
    if (isEnding) return;
    if (random.chance(0.2)) return this.disconnect(userId, device);
    this.groups.focus(device.session, random.chance(0.5) ? GROUP_CONVERSATION : undefined);
  }

  known(userId: string): number {
    return this.devices.get(userId)?.known ?? 0;
  }

  /** I9: no device gets an event or notice from a time when its user was no member. */
  check(events: SeenEvent[]): void {
    const ofGroup = events.filter(({ event }) => event.conversationId === GROUP_CONVERSATION);
    const bySeq = new Map(ofGroup.map((seen) => [seen.event.seq, this.simGroups.recipients(seen)]));
    for (const [userId, told] of this.everTold) {
      for (const { seq, isEvent } of told) {
        if (bySeq.get(seq)?.includes(userId)) continue;
        this.violations.push(`I9: ${userId} was ${isEvent ? "shown" : "told of"} #${seq} of the group`);
      }
    }
  }

  private readonly everTold = new Map<string, Device["told"]>();

  private connect(userId: string): void {
    const told = getOrSet(this.everTold, userId, (): Device["told"] => []);
    const connection = { send: (frame: Uint8Array) => this.receive(device, frame) };
    const about = { isOpen: true, isSlow: false, identity: { userId }, focus: undefined };
    const session = { ...about, connection } as unknown as Session;
    const device: Device = { session, known: 0, told };
    this.devices.set(userId, device);
    this.groups.added(userId);
  }

  private disconnect(userId: string, { session }: Device): void {
    this.devices.delete(userId);
    this.groups.disconnected(session, userId);
  }

  private receive(device: Device, bytes: Uint8Array): void {
    const frame = decodeFrames(bytes).frames[0]!;
    const message = parseServerMessage(frame.command, frame.payload);
    if ("error" in message) throw new Error(message.message);
    const isPage = message.command === Command.PULLED;
    const { lastSeq } = message.payload as NotifyPayload | PulledPayload;
    if (isPage) {
      for (const { seq } of (message.payload as PulledPayload).events) device.told.push({ seq, isEvent: true });
      this.network.coverage.count("events shown to those who look");
    } else device.told.push({ seq: lastSeq, isEvent: false });
    device.known = Math.max(device.known, lastSeq);
  }
}
