/** A load client of an MQTT broker: each user subscribes to `inbox/<user>`, and PUBACK means that the broker has accepted a message. */
import type { LoadClientSpec, LoadConnection, LoadEvents, LoadProtocol } from "../../generator/load-protocol";
import { RawLink } from "../raw-link";
import {
  DISCONNECT,
  decodePublish,
  encodeConnect,
  encodePuback,
  encodePublish,
  encodeSubscribe,
  type Packet,
  PacketCutter,
  PacketType,
  text,
} from "./mqtt";

const MOST_PACKET_IDS = 65_535;

class MqttClient implements LoadConnection {
  private readonly link: RawLink;
  private readonly cutter = new PacketCutter();
  private readonly peerInbox: Buffer;
  private lastPacketId = 0;
  private lastAccepted = 0;

  constructor(
    private readonly spec: LoadClientSpec,
    private readonly events: LoadEvents,
    private readonly onReady: (client: MqttClient) => void,
    private readonly onFailure: (error: Error) => void,
  ) {
    this.peerInbox = text(`inbox/${spec.peerId}`);
    this.link = new RawLink(spec, {
      onOpen: () => this.link.write(encodeConnect(spec.userId)),
      onData: (chunk) => {
        for (const packet of this.cutter.push(chunk)) this.receive(packet);
      },
      onLost: (why) => this.fail(why),
    });
  }

  send(content: string): void {
    this.lastPacketId = next(this.lastPacketId);
    this.link.write(encodePublish(this.lastPacketId, this.peerInbox, content));
  }

  close(): void {
    this.link.close(DISCONNECT);
  }

  private receive({ type, body }: Packet): void {
    if (type === PacketType.PUBLISH) {
      const { packetId, content } = decodePublish(body);
      this.link.write(encodePuback(packetId));
      this.events.onMessage(content);
    } else if (type === PacketType.PUBACK) {
      this.lastAccepted = next(this.lastAccepted);
      if (body.readUInt16BE(0) !== this.lastAccepted) this.fail("PUBACK out of order");
      this.events.onAccepted();
    } else if (type === PacketType.CONNACK) {
      if (body[1] !== 0) return this.fail(`CONNACK with code ${body[1]}`);
      this.link.write(encodeSubscribe(1, text(`inbox/${this.spec.userId}`)));
    } else if (type === PacketType.SUBACK) {
      if (body[2] !== 1) return this.fail(`SUBACK with code ${body[2]}`);
      this.onReady(this);
    } else {
      this.fail(`an MQTT packet of type ${type}`);
    }
  }

  private fail(why: string): void {
    this.onFailure(new Error(`${this.spec.userId}: ${why}`));
    this.events.onError(why);
  }
}

const next = (packetId: number) => (packetId % MOST_PACKET_IDS) + 1;

export const protocol: LoadProtocol = {
  open: (spec, events) => new Promise((resolve, reject) => new MqttClient(spec, events, resolve, reject)),
};
