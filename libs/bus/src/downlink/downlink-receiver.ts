/**
 * The gateway's side of the downlink. It passes messages on, and reports when a link shows that messages were lost. When a
 * sender waits for a confirmation, it confirms the message after the gateway has acted on it.
 */
import { guarded } from "@carillon/base";
import type { Msg } from "@nats-io/transport-node";
import type { Bus } from "../connection";
import { type DownlinkMessage, decodeDownlink, type LinkPlace } from "../envelopes/downlink-messages";
import { gatewaySubject } from "../streams/definitions";
import { subscribe } from "../subscription";
import { TIMINGS } from "../timings";

const LOOK_MS = 1_000;

export interface DownlinkReceiverOptions {
  bus: Bus;
  gateway: string;
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
  private stopReceiving: () => void = () => {};
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: DownlinkReceiverOptions) {}

  start(): void {
    const { bus, gateway } = this.options;
    this.stopReceiving = subscribe(bus, gatewaySubject(gateway), (message) => this.receive(message));
    this.timer = setInterval(
      guarded("timer", () => this.findSilent()),
      LOOK_MS,
    );
  }

  stop(): void {
    clearInterval(this.timer);
    this.stopReceiving();
  }

  private receive(received: Msg): void {
    const { place, message } = decodeDownlink(received.data);
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
