/**
 * What the load generator knows of a protocol: how to open a connection, to say something on it, and when something
 * was taken or has come. Each server that is measured has one of these; all else of the generator is the same for all.
 */
export interface LoadEvents {
  /** Something that another client has sent came, in full. The sender's own copies are not told. */
  onMessage(content: string): void;
  /** The server has taken one message, in the order in which they were sent, and may not lose it as far as its tier goes. */
  onAccepted(): void;
  /** The server has asked to send one message again later: those that were sent after it may come before it. */
  onRepeated?(): void;
  /** Anything that should not be: the run fails. */
  onError(what: string): void;
}

/** How one client of the run connects; can be told to another process. */
export interface LoadClientSpec {
  host: string;
  port: number;
  /** Address of this machine to connect from: one of them has 28,000 ports. */
  localAddress?: string;
  userId: string;
  /** To whom it writes. */
  peerId: string;
  /** Token or password. */
  secret: string;
}

export interface LoadConnection {
  /** Says something to the peer. Writes of one turn of the event loop go out together. */
  send(content: string): void;
  close(): void;
}

export interface LoadProtocol {
  /** Resolves when the client is logged in and can send. */
  open(spec: LoadClientSpec, events: LoadEvents): Promise<LoadConnection>;
}
