/**
 * The load generator's view of a protocol: it opens connections, sends messages, and reports which messages were accepted or
 * have come. Each measured server has one such module; everything else in the generator is the same for all servers.
 */
export interface LoadEvents {
  /** The message of another client has come, in full. Copies of the client's own messages are not reported. */
  onMessage(content: string): void;
  /** The server has accepted one message, in the order of sending, and must not lose it as far as its tier promises. */
  onAccepted(): void;
  /** The server has asked to send one message again later: messages that were sent after it may come before it. */
  onRepeated?(): void;
  /** Something is wrong, and the run fails. */
  onError(what: string): void;
}

/** The data with which one client of the run connects; another process can receive it by IPC. */
export interface LoadClientSpec {
  host: string;
  port: number;
  /** Address of this machine to connect from; each has 28,000 ports. */
  localAddress?: string;
  /** The authority of the server's certificate, in PEM: the connection is encrypted. Only Carillon is measured so. */
  ca?: string;
  /** Over UDP: the api, which gives the tickets. Only Carillon is measured so. */
  transport?: "udp";
  api?: string;
  userId: string;
  /** The user to whom the client writes. */
  peerId: string;
  /** Token or password. */
  secret: string;
}

export interface LoadConnection {
  /** Sends a message to the peer. Writes of one turn of the event loop go out together. */
  send(content: string): void;
  close(): void;
}

export interface LoadProtocol {
  /** Resolves when the client is logged in and can send. */
  open(spec: LoadClientSpec, events: LoadEvents): Promise<LoadConnection>;
}
