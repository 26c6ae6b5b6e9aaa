/** Hands messages of workers and apis to the sessions and inboxes here: answers, pushes, notices, closings, announcements. */
import { type Trace, traceOf } from "@carillon/base/node";
import type { Announcement, Answer, Bus, Closing, Notice, Push } from "@carillon/bus";
import { decodeEvent } from "@carillon/protocol";
import type { UserRegistry } from "../session/user-registry";

export class Deliverer {
  private readonly trace: Trace | undefined;

  constructor(
    bus: Pick<Bus, "logger">,
    private readonly boot: string,
    private readonly users: Pick<UserRegistry, "sessions" | "user" | "openSessions">,
  ) {
    this.trace = traceOf(bus.logger);
  }

  /** @param boot boot of the gateway that asked: the connection numbers of a former boot name other clients now */
  answer(boot: string, answers: Answer[]): void {
    if (boot !== this.boot) return;
    for (const { connection, frame } of answers) {
      const session = this.users.sessions.get(connection);
      if (session?.isOpen) session.connection.send(frame);
    }
  }

  push(pushes: Push[]): void {
    for (const { event, targets } of pushes) {
      this.tracePush(event, targets);
      for (const { userId, epoch, inboxSeq } of targets) this.users.user(userId)?.inbox.push(epoch, inboxSeq, event);
    }
  }

  notify(notices: Notice[]): void {
    for (const { userId, exceptDeviceId, frame } of notices) {
      for (const session of this.users.openSessions(userId)) {
        if (session.identity!.deviceId !== exceptDeviceId) session.connection.send(frame);
      }
    }
  }

  /** Closes also sessions that are being opened: the worker may have read their token before it was revoked. */
  close(closings: Closing[]): void {
    for (const { userId, deviceId, connection, closeCode } of closings) {
      for (const session of [...(this.users.user(userId)?.sessions ?? [])]) {
        const isMeant =
          (deviceId === undefined || session.identity!.deviceId === deviceId) &&
          (connection === undefined || (connection.boot === this.boot && session.number === connection.number));
        if (isMeant) session.kick(closeCode);
      }
    }
  }

  /** A worker has recreated these inboxes. */
  announce(announcements: Announcement[]): void {
    for (const { userId, epoch } of announcements) this.users.user(userId)?.inbox.expectIfOpen(epoch, 0);
  }

  private tracePush(event: Uint8Array, targets: Push["targets"]): void {
    if (this.trace === undefined) return;
    const { messageId, clientMsgId, conversationId, seq } = decodeEvent(event);
    const users = targets.map(({ userId }) => userId);
    this.trace({ messageId, clientMsgId, conversationId, seq, users }, "an event is being delivered");
  }
}
