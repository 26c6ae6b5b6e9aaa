/**
 * A load client of an XMPP server, with stream management (XEP-0198). A turn in which the client wrote messages ends with
 * `<r/>`, unless an answer is still to come; after that answer, the client asks for the rest. ejabberd asks in the same
 * rhythm, and the client answers at once.
 */
import type { LoadClientSpec, LoadConnection, LoadEvents, LoadProtocol } from "../../generator/load-protocol";
import { RawLink } from "../raw-link";
import { acknowledgedBy, bodyOf, END_OF_STREAM, escapeXml, StanzaCutter } from "./xmpp";

/** The virtual host of `ejabberd.yml`. */
const HOST = "localhost";
const OPENING =
  `<?xml version='1.0'?><stream:stream to='${HOST}' version='1.0' xmlns='jabber:client' ` +
  "xmlns:stream='http://etherx.jabber.org/streams'>";
const BIND =
  "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>bench</resource></bind></iq>";
/** Presence comes first: the server delivers messages for the bare address to available clients only. */
const ENABLE = "<presence/><enable xmlns='urn:xmpp:sm:3' resume='true'/>";
const REQUEST = Buffer.from("<r xmlns='urn:xmpp:sm:3'/>");

class XmppClient implements LoadConnection {
  private readonly link: RawLink;
  private readonly cutter = new StanzaCutter();
  /** The beginning of all messages, up to their number. */
  private readonly head: string;
  private lastId = 0;
  private wroteMessages = false;
  private isAsking = false;
  private isManaged = false;
  private received = 0;
  private accepted = 0;

  constructor(
    private readonly spec: LoadClientSpec,
    private readonly events: LoadEvents,
    private readonly onReady: (client: XmppClient) => void,
    private readonly onFailure: (error: Error) => void,
  ) {
    this.head = `<message to='${escapeXml(spec.peerId)}@${HOST}' type='chat' id='m`;
    this.link = new RawLink(spec, {
      onOpen: () => this.say(OPENING),
      onData: (chunk) => {
        for (const stanza of this.cutter.push(chunk)) this.receive(stanza);
      },
      onLost: (why) => this.fail(why),
      endOfTurn: () => this.requestAcknowledgement(),
    });
  }

  send(content: string): void {
    this.wroteMessages = true;
    this.say(`${this.head}${++this.lastId}'><body>${escapeXml(content)}</body></message>`);
  }

  close(): void {
    this.link.close(Buffer.from(END_OF_STREAM));
  }

  private requestAcknowledgement(): Uint8Array | undefined {
    if (!this.wroteMessages || this.isAsking) return undefined;
    this.wroteMessages = false;
    this.isAsking = true;
    return REQUEST;
  }

  private receive(stanza: string): void {
    if (stanza.startsWith("<message")) return this.receiveMessage(stanza);
    if (stanza.startsWith("<r ") || stanza === "<r/>") {
      return this.say(`<a xmlns='urn:xmpp:sm:3' h='${this.received}'/>`);
    }
    if (stanza.startsWith("<a ")) return this.receiveAcknowledgement(acknowledgedBy(stanza));
    if (stanza.startsWith("<presence") || stanza.startsWith("<iq")) this.count();
    this.logIn(stanza);
  }

  private receiveMessage(stanza: string): void {
    this.count();
    if (stanza.includes(" type='error'")) return this.fail(stanza);
    const body = bodyOf(stanza);
    if (body !== undefined) this.events.onMessage(body);
  }

  private receiveAcknowledgement(count: number): void {
    if (!(count >= this.accepted && count <= this.lastId)) this.fail(`acknowledged ${count} of ${this.lastId}`);
    for (; this.accepted < count; this.accepted++) this.events.onAccepted();
    this.isAsking = this.accepted < this.lastId;
    if (this.isAsking) {
      this.wroteMessages = false;
      this.link.write(REQUEST);
    }
  }

  /** Each answer of the server has one next step of the log-in. */
  private logIn(stanza: string): void {
    if (stanza.startsWith("<stream:features")) {
      this.say(stanza.includes("<mechanisms") ? this.credentials() : BIND);
    } else if (stanza.startsWith("<success")) {
      this.say(OPENING);
    } else if (stanza.startsWith("<iq") && stanza.includes(" id='bind'")) {
      if (!stanza.includes(" type='result'")) return this.fail(stanza);
      this.say(ENABLE);
    } else if (stanza.startsWith("<enabled")) {
      this.isManaged = true;
      this.onReady(this);
    } else if (!stanza.startsWith("<presence")) {
      this.fail(stanza);
    }
  }

  private credentials(): string {
    const plain = Buffer.from(`\0${this.spec.userId}\0${this.spec.secret}`).toString("base64");
    return `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${plain}</auth>`;
  }

  /** The server counts stanzas from the moment at which stream management was enabled. */
  private count(): void {
    if (this.isManaged) this.received++;
  }

  private say(text: string): void {
    this.link.write(Buffer.from(text));
  }

  private fail(why: string): void {
    this.onFailure(new Error(`${this.spec.userId}: ${why}`));
    this.events.onError(why);
  }
}

export const protocol: LoadProtocol = {
  open: (spec, events) => new Promise((resolve, reject) => new XmppClient(spec, events, resolve, reject)),
};
