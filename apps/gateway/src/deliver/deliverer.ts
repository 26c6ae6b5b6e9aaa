/** What comes down from workers: answers to the connections that asked, pushes to inboxes, notices to devices. */
import type { Trace } from "@carillon/base/node";
import type { Closing, DownlinkMessage, GroupNews, Notice, Push } from "@carillon/bus";
import { decodeEvent } from "@carillon/protocol";
import type { Session } from "../session/session";
import type { UserRegistry } from "../session/user-registry";

export class Deliverer {
  constructor(
    private readonly users: UserRegistry,
    private readonly boot: string,
    private readonly others: {
      /** Told the life of Redis, every 2 s by every worker. */
      onRun(run: string): void;
      onGroupNews(news: GroupNews[]): void;
      /** Told the last numbers of large groups in which something was said lately. */
      onGroupTick(groups: [groupId: string, lastSeq: number][]): void;
      trace?: Trace | undefined;
    },
  ) {}

  deliver(message: DownlinkMessage): void {
    switch (message.kind) {
      case "answers":
        // Connection numbers of a former boot mean other clients now.
        if (message.boot !== this.boot) return;
        for (const { connection, frame } of message.answers) {
          const session = this.users.sessions.get(connection);
          if (session?.isOpen) session.connection.send(frame);
        }
        return;
      case "pushes":
        for (const push of message.pushes) this.push(push);
        return;
      case "notices":
        for (const notice of message.notices) this.notify(notice);
        return;
      case "closings":
        for (const closing of message.closings) this.close(closing);
        return;
      case "announcements":
        for (const { userId, epoch } of message.announcements) this.users.user(userId)?.inbox.expectIfOpen(epoch, 0);
        return;
      case "tick":
        this.others.onRun(message.run);
        return this.others.onGroupTick(message.groups);
      case "groups":
        return this.others.onGroupNews(message.news);
    }
  }

  private push({ event, targets }: Push): void {
    const { trace } = this.others;
    if (trace !== undefined) {
      const { messageId, clientMsgId, conversationId, seq } = decodeEvent(event);
      const users = targets.map(({ userId }) => userId);
      trace({ messageId, clientMsgId, conversationId, seq, users }, "an event is being delivered");
    }
    for (const { userId, epoch, inboxSeq } of targets) this.users.user(userId)?.inbox.push(epoch, inboxSeq, event);
  }

  private notify({ userId, exceptDeviceId, frame }: Notice): void {
    for (const session of this.openSessions(userId)) {
      if (session.identity!.deviceId !== exceptDeviceId) session.connection.send(frame);
    }
  }

  /** Also of sessions that are being opened: what allowed it may have been read before it was taken back. */
  private close({ userId, deviceId, connection, closeCode }: Closing): void {
    for (const session of [...(this.users.user(userId)?.sessions ?? [])]) {
      const meant =
        (deviceId === undefined || session.identity!.deviceId === deviceId) &&
        (connection === undefined || (connection.boot === this.boot && session.number === connection.number));
      if (meant) session.kick(closeCode);
    }
  }

  private openSessions(userId: string): Session[] {
    return [...(this.users.user(userId)?.sessions ?? [])].filter((session) => session.isOpen);
  }
}
