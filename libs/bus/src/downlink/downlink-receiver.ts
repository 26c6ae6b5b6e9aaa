/**
 * The gateway's side of the downlink. It passes messages on, and reports when a link shows that messages were lost. When a
 * sender waits for a confirmation, it confirms the message after the gateway has acted on it.
 */
import { guarded } from "@carillon/base";
import { Command, decodeFrames } from "@carillon/protocol";
import type { Msg } from "@nats-io/transport-node";
import type { Bus } from "../connection";
import { type DownlinkMessage, decodeDownlink, type LinkPlace } from "../envelopes/downlink-messages";
import { gatewaySubject, orderSubject } from "../streams/definitions";
import { subscribe } from "../subscription";
import { TIMINGS } from "../timings";

const LOOK_MS = 1_000;

export interface DownlinkReceiverOptions {
  bus: Bus;
  gateway: string;
  /** Whether apis and the command line send closings and notices here, as to every gateway. */
  takesOrders: boolean;
  onMessage(message: DownlinkMessage): void;
  /** Called when a link begins, jumps or is silent: pushes may be lost. */
  onBreak(sender: string, why: "begins" | "jumps" | "silent"): void;
}

interface Link {
  id: string;
  number: number;
  heardAt: number;
}

export class DownlinkReceiver {
  private readonly links = new Map<string, Link>();
  private stops: (() => void)[] = [];
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: DownlinkReceiverOptions) {}

  start(): void {
    const { bus, gateway, takesOrders } = this.options;
    this.stops = [subscribe(bus, gatewaySubject(gateway), (message) => this.receive(message))];
    if (takesOrders) this.stops.push(subscribe(bus, orderSubject(gateway), (message) => this.receiveOrder(message)));
    this.timer = setInterval(
      guarded("timer", () => this.findSilent()),
      LOOK_MS,
    );
  }

  stop(): void {
    clearInterval(this.timer);
    for (const stop of this.stops.splice(0)) stop();
  }

  private receiveOrder(received: Msg): void {
    const { place, message } = decodeDownlink(received.data);
    if (isOrder(message)) this.take(received, place, message);
    else this.options.bus.logger.warn({ ...place, kind: message.kind }, "only a worker may send this; it is dropped");
  }

  private receive(received: Msg): void {
    const { place, message } = decodeDownlink(received.data);
    this.take(received, place, message);
  }

  private take(received: Msg, place: LinkPlace, message: DownlinkMessage): void {
    this.checkLink(place);
    this.options.onMessage(message);
    // The confirmation goes nowhere when no sender waits for it.
    received.respond();
  }

  private checkLink({ sender, linkId, number }: LinkPlace): void {
    const link = this.links.get(sender);
    const heardAt = this.options.bus.clock.monotonic();
    this.links.set(sender, { id: linkId, number, heardAt });
    if (link?.id !== linkId) this.options.onBreak(sender, "begins");
    else if (link.number + 1 !== number) this.options.onBreak(sender, "jumps");
  }

  private findSilent(): void {
    const now = this.options.bus.clock.monotonic();
    for (const [sender, link] of this.links) {
      if (now - link.heardAt < TIMINGS.linkSilenceMs) continue;
      this.links.delete(sender);
      this.options.onBreak(sender, "silent");
    }
  }
}

/** Whether a message is one of those that apis and the command line send; they tell devices nothing but that something changed. */
function isOrder(message: DownlinkMessage): boolean {
  if (message.kind !== "notices") return message.kind === "closings" || message.kind === "tick";
  return message.notices.every(({ frame }) => {
    const { frames, fault } = decodeFrames(frame);
    return fault === undefined && frames.every(({ command }) => command === Command.CHANGED);
  });
}
