/**
 * The way of a message through the gateway: up from a client to the queue of its partition, and down from workers to the
 * devices. docs/journey.md tells it in words; the numbers of the steps are the same.
 */
import { type Clock, detached, type TimerWheel } from "@carillon/base";
import { failPoint } from "@carillon/base/node";
import type { DownlinkMessage } from "@carillon/bus";
import { type ClientMessage, CloseCode, Command, type ConnectPayload, type ReceivedPayload } from "@carillon/protocol";
import type { ClientConnection, IncomingFrame } from "./accept/client-connection";
import type { GatewayConfig } from "./config";
import type { LargeGroups } from "./groups/large-groups";
import type { LocalPresence } from "./presence/local-presence";
import type { Watches } from "./presence/watches";
import type { ReadReceipts } from "./receipts/read-receipts";
import type { ReceivedBatch } from "./receipts/received-batch";
import { Receiver } from "./receive/receiver";
import type { Resend } from "./recovery/devices";
import type { Recovery } from "./recovery/recovery";
import type { ClosedSessions, Renewal } from "./recovery/registrations";
import type { SessionOpener } from "./session/open-session";
import { Session, sessionLimits } from "./session/session";
import type { SessionWatch } from "./session/session-watch";
import type { Deliverer, UserRegistry } from "./session/user-registry";
import type { Submitter } from "./submit/submit";
import type { Typing } from "./typing/typing";

export interface GatewayStages {
  /** The timer wheel of the deadlines of `watch`, `resend` and `localPresence`. */
  wheel: TimerWheel;
  opener: SessionOpener;
  watch: SessionWatch;
  users: UserRegistry;
  closedSessions: ClosedSessions;
  submitter: Submitter;
  deliverer: Deliverer;
  groups: LargeGroups;
  received: ReceivedBatch;
  reads: ReadReceipts;
  watches: Watches;
  localPresence: LocalPresence;
  typing: Typing;
  resend: Resend;
  renewal: Renewal;
  recovery: Recovery;
}

type Handler<Payload> = (session: Session, requestId: number, payload: Payload) => void | Promise<void>;
type Up = { [Message in ClientMessage as Message["command"]]: Handler<Message["payload"]> };
type Down = { [Message in DownlinkMessage as Message["kind"]]: (message: Message) => void };

export class GatewayJourney {
  private readonly receiver: Receiver;
  private lastNumber = 0;

  constructor(
    private readonly clock: Clock,
    private readonly limits: GatewayConfig["limits"],
    private readonly stages: GatewayStages,
  ) {
    this.receiver = new Receiver(clock);
  }

  /** Up: the stage that handles each command of a client. */
  private readonly up: Up = {
    // Step 1, accept.
    [Command.CONNECT]: (...request) => this.connect(...request),
    [Command.PING]: (session, requestId) => session.reply(Command.PONG, requestId, { serverTime: this.clock.now() }),
    [Command.TOKEN]: (session, requestId, { token }) => this.stages.watch.renewToken(session, requestId, token),
    [Command.DISCONNECT]: (session) => session.close(CloseCode.GOING_AWAY),
    // Step 3, submit; and questions that an api answers.
    [Command.SEND]: (...request) => this.submit(() => this.stages.submitter.send(...request)),
    [Command.RECALL]: (...request) => this.submit(() => this.stages.submitter.recall(...request)),
    [Command.PULL]: (...request) => this.stages.submitter.pull(...request),
    [Command.SYNC]: (...request) => this.stages.submitter.sync(...request),
    // Step 11, deliver: the way back.
    [Command.RECEIVED]: (...request) => this.acknowledge(...request),
    [Command.READ]: (...request) => this.stages.reads.read(...request),
    // Beside the messages.
    [Command.FOCUS]: (...request) => this.stages.groups.request(...request),
    [Command.WATCH_PRESENCE]: (...request) => this.stages.watches.request(...request),
    [Command.TYPING]: (session, _, { conversationId }) => this.stages.typing.hint(session, conversationId),
  };

  /** Down, step 11, deliver: the stage that takes each kind of message of workers and apis. */
  private readonly down: Down = {
    answers: ({ boot, answers }) => this.stages.deliverer.answer(boot, answers),
    pushes: ({ pushes }) => this.stages.deliverer.push(pushes),
    notices: ({ notices }) => this.stages.deliverer.notify(notices),
    closings: ({ closings }) => this.stages.deliverer.close(closings),
    announcements: ({ announcements }) => this.stages.deliverer.announce(announcements),
    groups: ({ news }) => this.stages.groups.receive(news),
    tick: ({ redisLife, groups }) => {
      this.stages.renewal.seeRedisLife(redisLife);
      this.stages.groups.tick(groups);
    },
  };

  /** Step 1, accept: a new connection becomes a session, whose client has to send CONNECT in time. */
  accept(connection: ClientConnection): void {
    failPoint("accept.before");
    const { watch, users } = this.stages;
    const now = this.clock.monotonic();
    const limits = sessionLimits(this.limits, now);
    const session = new Session(++this.lastNumber, connection, limits, now, (due) => watch.check(due));
    users.sessions.set(session.number, session);
    connection.attach({
      onFrame: (frame) => this.receive(session, frame),
      onFault: (fault) => this.receiver.fail(session, fault),
      onClosed: () => this.close(session),
      onDrained: () => users.serve(session),
      onControl: () => this.receiver.control(session),
    });
    watch.begin(session);
    failPoint("accept.after");
  }

  /** Step 2, receive: a frame of a client is checked, and goes up. */
  private receive(session: Session, frame: IncomingFrame): void {
    failPoint("receive.before");
    const message = this.receiver.receive(session, frame);
    if (message !== undefined) this.handle(session, frame.requestId, message);
    failPoint("receive.after");
  }

  private handle(session: Session, requestId: number, { command, payload }: ClientMessage): void {
    const work = (this.up[command] as Handler<unknown>)(session, requestId, payload);
    if (work === undefined) return;
    // The work continues by itself; an error in it ends this connection only.
    const { remote } = session.connection;
    detached("request", work, { remote, end: () => session.kick(CloseCode.INTERNAL) });
  }

  /** Step 1 ends: the session is open, its user is here, and the frames that were held go up. */
  private async connect(session: Session, requestId: number, payload: ConnectPayload): Promise<void> {
    const { opener, received, groups, localPresence, closedSessions } = this.stages;
    const opening = await opener.open(session, requestId, payload);
    if (opening.end === "disconnected") void closedSessions.add(session, opening.identity);
    if (opening.end !== "open") return;
    const { userId, platform } = opening.identity;
    // The device has received more than workers were told: its private conversations are delivered up to these numbers.
    received.deliver(userId, opening.delivered);
    groups.added(userId);
    localPresence.added(userId, platform);
    for (const frame of opening.held) {
      const message = session.isOpen ? this.receiver.parse(session, frame) : undefined;
      if (message !== undefined) this.handle(session, frame.requestId, message);
    }
  }

  /** Step 3, submit: a request goes into the queue of its partition. */
  private submit(work: () => void): void {
    failPoint("submit.before");
    work();
    failPoint("submit.after");
  }

  /** Step 11, deliver: a message of a worker or an api goes down. */
  deliver(message: DownlinkMessage): void {
    failPoint("deliver.before");
    (this.down[message.kind] as (message: DownlinkMessage) => void)(message);
    failPoint("deliver.after");
  }

  /** RECEIVED: the device has events, so its window moves on and more may be sent. */
  private acknowledge(session: Session, requestId: number, payload: ReceivedPayload): void {
    const { received, resend, users } = this.stages;
    const before = session.delivery!.acked;
    if (received.take(session, payload)) {
      if (session.delivery!.acked > before) resend.progressed(session);
      return users.serve(session);
    }
    session.refuse(requestId, "BAD_PAYLOAD", "inboxSeq: was never sent to this device");
    this.receiver.countBadPayload(session);
  }

  /** The connection is closed: every stage forgets the session. */
  private close(session: Session): void {
    const { users, watch, resend, groups, watches, localPresence, closedSessions } = this.stages;
    const { identity, isOpen: wasOpen } = session;
    session.state = { phase: "closed" };
    users.sessions.delete(session.number);
    watch.end(session);
    resend.end(session);
    if (identity === undefined) return;
    users.leave(identity.userId, session);
    groups.disconnected(session, identity.userId);
    watches.disconnected(session);
    if (wasOpen) localPresence.removed(identity.userId, identity.platform);
    // Also a session that was being opened: a worker may have registered it already.
    void closedSessions.add(session, identity);
  }
}
