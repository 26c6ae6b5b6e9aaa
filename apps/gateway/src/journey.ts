/**
 * The way of a message through the gateway: in from a client to the queue of its partition, and down from workers to
 * the devices. docs/journey.md tells it in words; the numbers of the steps are the same.
 */
import { detached, type TimerWheel } from "@carillon/base";
import { failPoint } from "@carillon/base/node";
import type { DownlinkMessage } from "@carillon/bus";
import { type ClientMessage, CloseCode, Command, limits } from "@carillon/protocol";
import type { ClientConnection, IncomingFrame } from "./accept/client-connection";
import type { Deliverer } from "./deliver/deliverer";
import type { Resend } from "./deliver/resend";
import type { LargeGroups } from "./groups/large-groups";
import type { OwnUsers } from "./presence/own-users";
import type { Watches } from "./presence/watches";
import type { LostNotices } from "./receipts/lost-notices";
import type { ReadReceipts } from "./receipts/read-receipts";
import type { ReceivedBatch } from "./receipts/received-batch";
import { Receiver } from "./receive/receiver";
import type { LeftSessions } from "./session/left-sessions";
import type { SessionOpener } from "./session/open-session";
import type { Renewal } from "./session/renewal";
import { Session, type SessionLimits } from "./session/session";
import type { Identity } from "./session/session-state";
import type { SessionWatch } from "./session/session-watch";
import type { UserRegistry } from "./session/user-registry";
import type { Submitter } from "./submit/submit";
import type { Typing } from "./typing/typing";

export interface GatewayStages {
  /** Turns for the deadlines of watch and resend. */
  wheel: TimerWheel;
  opener: SessionOpener;
  watch: SessionWatch;
  users: UserRegistry;
  left: LeftSessions;
  submitter: Submitter;
  deliverer: Deliverer;
  groups: LargeGroups;
  received: ReceivedBatch;
  reads: ReadReceipts;
  lostNotices: LostNotices;
  watches: Watches;
  ownUsers: OwnUsers;
  typing: Typing;
  resend: Resend;
  renewal: Renewal;
}

export interface JourneyOptions {
  now(): number;
  monotonic(): number;
  sessionLimits(): SessionLimits;
  /** Tells the registry that a session's connection is gone. */
  forget(session: Session, identity: Identity): void;
}

export class GatewayJourney {
  private readonly receiver: Receiver;
  private lastNumber = 0;

  constructor(
    private readonly options: JourneyOptions,
    private readonly stages: () => GatewayStages,
  ) {
    this.receiver = new Receiver({
      monotonic: options.monotonic,
      onMessage: (session, requestId, message) => this.handle(session, requestId, message),
    });
  }

  /** Step 1, accept: a connection, which has to say who it is. */
  accept(connection: ClientConnection): void {
    failPoint("accept.before");
    const { monotonic, sessionLimits } = this.options;
    const { watch, users } = this.stages();
    const session = new Session(++this.lastNumber, connection, sessionLimits(), monotonic(), (due) => watch.check(due));
    users.sessions.set(session.number, session);
    connection.attach({
      onFrame: (frame) => this.receive(session, frame),
      onFault: (fault) => this.receiver.fail(session, fault),
      onClosed: () => this.close(session),
      onDrained: () => this.serve(session),
      onControl: () => this.receiver.control(session),
    });
    watch.begin(session);
    failPoint("accept.after");
  }

  /** Step 2, receive: a frame of a client. */
  private receive(session: Session, frame: IncomingFrame): void {
    failPoint("receive.before");
    this.receiver.receive(session, frame);
    failPoint("receive.after");
  }

  /** Frames that were held while the session was opened come the same way. */
  process(session: Session, frame: IncomingFrame): void {
    if (session.isOpen) this.receiver.process(session, frame);
  }

  /** Step 3, submit; and everything else that a client may ask for. */
  private handle(session: Session, requestId: number, message: ClientMessage): void {
    const { opener, watch, submitter, reads, groups, watches, typing } = this.stages();
    switch (message.command) {
      case Command.CONNECT:
        return this.goOn(session, opener.open(session, requestId, message.payload));
      case Command.PING:
        return session.reply(Command.PONG, requestId, { serverTime: this.options.now() });
      case Command.DISCONNECT:
        return session.close(CloseCode.GOING_AWAY);
      case Command.TOKEN:
        return watch.renewToken(session, requestId, message.payload.token);
      case Command.SEND:
        failPoint("submit.before");
        submitter.send(session, requestId, message.payload);
        return failPoint("submit.after");
      case Command.RECEIVED:
        return this.acknowledge(session, requestId, message.payload);
      case Command.PULL:
        return this.goOn(session, submitter.pull(session, requestId, message.payload));
      case Command.SYNC:
        return this.goOn(session, submitter.sync(session, requestId, message.payload));
      case Command.READ:
        return reads.read(session, requestId, message.payload);
      case Command.RECALL:
        failPoint("submit.before");
        submitter.recall(session, requestId, message.payload);
        return failPoint("submit.after");
      case Command.FOCUS:
        groups.focus(session, message.payload.conversationId ?? undefined);
        return session.reply(Command.OK, requestId, {});
      case Command.WATCH_PRESENCE: {
        const { userIds, on } = message.payload;
        if (watches.watch(session, userIds, on)) return session.reply(Command.OK, requestId, {});
        return session.refuse(requestId, "FORBIDDEN", `a connection watches ${limits.maxWatchedUsers} users at most`);
      }
      case Command.TYPING:
        return this.goOn(session, typing.hint(session, message.payload.conversationId));
    }
  }

  /** What a request began goes on by itself; an error in it ends that connection only. */
  private goOn(session: Session, work: Promise<void>): void {
    const { remote } = session.connection;
    detached("request", work, { remote, end: () => session.kick(CloseCode.INTERNAL) });
  }

  /** Step 11, deliver: what workers send down. */
  deliver(message: DownlinkMessage): void {
    failPoint("deliver.before");
    this.stages().deliverer.deliver(message);
    failPoint("deliver.after");
  }

  /** A device has events: its window moves on. */
  private acknowledge(session: Session, requestId: number, payload: { epoch: string; inboxSeq: number }): void {
    const before = session.delivery!.acked;
    if (this.stages().received.take(session, payload)) {
      if (session.delivery!.acked > before) this.stages().resend.progressed(session);
      return this.serve(session);
    }
    session.refuse(requestId, "BAD_PAYLOAD", "inboxSeq: was never sent to this device");
    this.receiver.countBadPayload(session);
  }

  /** A device has room for more, or wants it again. */
  serve(session: Session): void {
    if (session.isOpen) this.stages().users.user(session.identity!.userId)?.inbox.serve(session);
  }

  private close(session: Session): void {
    const { users, watch, resend, groups, watches, ownUsers } = this.stages();
    const { identity, isOpen: wasOpen } = session;
    session.state = { phase: "closed" };
    users.sessions.delete(session.number);
    watch.end(session);
    resend.end(session);
    if (identity === undefined) return;
    users.leave(identity.userId, session);
    groups.left(session, identity.userId);
    watches.left(session);
    if (wasOpen) ownUsers.went(identity.userId, identity.platform);
    // One that was still opening may be registered already, too.
    this.options.forget(session, identity);
  }
}
