/**
 * The worker's side of the downlink: it numbers the messages to each gateway, so that the gateway notices a loss. Core NATS may
 * lose a message, and the sender repeats nothing. A gateway that sees a link begin, jump or fall silent asks for the heads of
 * its users' inboxes and pushes missing events: one repair for every kind of loss.
 */
import { guarded, randomId, sleep } from "@carillon/base";
import type { Bus } from "../connection";
import {
  type Announcement,
  type Answer,
  type DownlinkMessage,
  encodeDownlink,
  type GroupNews,
  type Notice,
  type Push,
  type Tick,
} from "../envelopes/downlink-messages";
import { gatewaySubject, orderSubject, senderRole } from "../streams/definitions";
import { TIMINGS } from "../timings";

/** A message that needs a confirmation is sent again after this time, ms; the second time counts when no gateway receives it. */
const CONFIRM_MS = 500;
const ABSENT_MS = 100;

interface Link {
  id: string;
  number: number;
}

export class DownlinkSender {
  private readonly links = new Map<string, Link>();
  private timer: NodeJS.Timeout | undefined;

  /**
   * @param sender node id of this worker, or another sender's name (streams/definitions.ts)
   * @param newTick returns the content of a tick; ticks of other senders than workers only keep the links alive
   */
  constructor(
    private readonly bus: Bus,
    private readonly sender: string,
    private readonly newTick: () => Tick = () => ({ redisLife: "", groups: [] }),
  ) {}

  /** Tells every gateway at once that its link begins, so that gateways repair what a former life of this process left undone. */
  start(): void {
    this.timer = setInterval(
      guarded("timer", () => this.tick()),
      TIMINGS.linkTickMs,
    );
    this.tick();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Sets the present gateways; a new gateway, or a new boot of one, gets a new link. */
  setGateways(gateways: Iterable<{ nodeId: string; boot: string }>): void {
    const present = new Map([...gateways].map(({ nodeId, boot }) => [nodeId, boot]));
    for (const nodeId of [...this.links.keys()]) if (!present.has(nodeId)) this.links.delete(nodeId);
    for (const [nodeId, boot] of present) {
      const id = this.links.get(nodeId)?.id;
      if (id === undefined || !id.startsWith(`${boot}.`)) {
        this.links.set(nodeId, { id: `${boot}.${randomId(8)}`, number: 0 });
      }
    }
  }

  /** Begins all links again: pushes may be lost, so every gateway must check its users' inboxes. */
  renewLinks(): void {
    const tick = this.newTick();
    for (const [gateway, link] of this.links) {
      const boot = link.id.slice(0, link.id.indexOf("."));
      this.links.set(gateway, { id: `${boot}.${randomId(8)}`, number: 0 });
      this.send(gateway, { kind: "tick", ...tick });
    }
  }

  answers(gateway: string, boot: string, answers: Answer[]): void {
    for (const part of cut(answers, (answer) => answer.frame.length + 16)) {
      this.send(gateway, { kind: "answers", boot, answers: part });
    }
  }

  pushes(gateway: string, pushes: Push[]): void {
    for (const part of cut(pushes, (push) => push.event.length + push.targets.length * 96)) {
      this.send(gateway, { kind: "pushes", pushes: part });
    }
  }

  notices(gateway: string, notices: Notice[]): void {
    for (const part of cut(notices, (notice) => notice.frame.length + 128)) {
      this.send(gateway, { kind: "notices", notices: part });
    }
  }

  /** Tells every gateway about inboxes that were just recreated. */
  announce(announcements: Announcement[]): void {
    for (const gateway of this.links.keys()) {
      for (const part of cut(announcements, () => 96)) {
        this.send(gateway, { kind: "announcements", announcements: part });
      }
    }
  }

  /** Tells every gateway about changes of large groups. */
  groups(news: GroupNews[]): void {
    for (const gateway of this.links.keys()) {
      for (const part of cut(news.flatMap(splitNews), ({ members = [] }) => members.length * 66 + 48)) {
        this.send(gateway, { kind: "groups", news: part });
      }
    }
  }

  send(gateway: string, message: DownlinkMessage): void {
    const bytes = this.encode(gateway, message);
    if (bytes !== undefined) this.bus.connection.publish(this.subjectOf(gateway), bytes);
  }

  /**
   * Sends a message until the gateway confirms that it has acted on it. The message must do no harm when it arrives twice.
   * @returns false when the gateway did not confirm within `ms`, or has left the view
   */
  async sendConfirmed(gateway: string, message: DownlinkMessage, ms: number): Promise<boolean> {
    const deadline = performance.now() + ms;
    while (true) {
      const left = deadline - performance.now();
      const bytes = left <= 0 ? undefined : this.encode(gateway, message);
      if (bytes === undefined) return false;
      const asking = this.bus.connection.request(this.subjectOf(gateway), bytes, {
        timeout: Math.min(left, CONFIRM_MS),
      });
      const isConfirmed = await asking.then(
        () => true,
        () => false,
      );
      if (isConfirmed) return true;
      await sleep(ABSENT_MS);
    }
  }

  private subjectOf(gateway: string): string {
    return senderRole(this.sender) === "worker" ? gatewaySubject(gateway) : orderSubject(gateway);
  }

  private tick(): void {
    const tick = this.newTick();
    for (const gateway of this.links.keys()) this.send(gateway, { kind: "tick", ...tick });
  }

  /** @returns undefined when there is no such gateway, or no connection */
  private encode(gateway: string, message: DownlinkMessage): Uint8Array | undefined {
    const link = this.links.get(gateway);
    if (link === undefined || this.bus.connection.isClosed()) return undefined;
    return encodeDownlink({ sender: this.sender, linkId: link.id, number: ++link.number }, message);
  }
}

/** Maximum number of members named in one message, for any length of their ids. */
const MOST_NAMED = 10_000;

/** Splits the members of a large group into several messages: each names some of them. */
function splitNews({ members, ...news }: GroupNews): GroupNews[] {
  if (members === undefined || members.length <= MOST_NAMED) return [{ ...news, ...(members && { members }) }];
  const parts = Math.ceil(members.length / MOST_NAMED);
  return Array.from({ length: parts }, (_, part) => ({
    ...news,
    members: members.slice(part * MOST_NAMED, (part + 1) * MOST_NAMED),
  }));
}

/** Maximum bytes of a part: below NATS's max_payload of 1 MiB, with room for the envelope. */
const MOST_BYTES = 900 * 1024;

/** Splits items into parts that fit into one message each, in their order. @param sizeOf bytes of an encoded item */
export function* cut<T>(items: T[], sizeOf: (item: T) => number): Generator<T[]> {
  let part: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = sizeOf(item);
    if (bytes + size > MOST_BYTES && part.length > 0) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(item);
    bytes += size;
  }
  if (part.length > 0) yield part;
}
