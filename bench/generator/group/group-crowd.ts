/**
 * All members of a group as a run sees them. The members who write are in this process, which does little else and so is on
 * time. All other members are in two processes of their own, which together read the events of thousands of members.
 */
import path from "node:path";
import { decodeFromCompressedBase64, type Histogram } from "hdr-histogram-js";
import { RemoteProcess } from "../remote-process";
import type { MemberCalls } from "./member-process";
import {
  type GroupPace,
  type MemberCounts,
  type MemberSpec,
  Members,
  type MemberTimes,
  newMemberTimes,
} from "./members";

const PROCESS_FILE = path.join(__dirname, "member-process.ts");
const PROCESSES = 2;

export class GroupCrowd {
  private readonly processes = Array.from({ length: PROCESSES }, () => new RemoteProcess<MemberCalls>(PROCESS_FILE));
  private readonly writers: Members;

  constructor(private readonly conversationId: string) {
    this.writers = new Members(conversationId);
  }

  /** Pids of all processes of the generator. */
  get pids(): number[] {
    return [process.pid, ...this.processes.map(({ pid }) => pid)];
  }

  /** Number of messages that the server has accepted. */
  get accepted(): number {
    return this.writers.accepted;
  }

  /** Connects all members. @param writers number of members who write; they are the first members */
  async open(specs: readonly MemberSpec[], writers: number): Promise<void> {
    const { conversationId } = this;
    const others = specs.slice(writers);
    const share = (part: number) => others.filter((_, index) => index % PROCESSES === part);
    await this.writers.open(specs.slice(0, writers));
    await Promise.all(this.processes.map((each, part) => each.ask("open", { conversationId, specs: share(part) })));
  }

  async expect(pace: GroupPace): Promise<void> {
    this.writers.expect(pace);
    await Promise.all(this.processes.map((each) => each.ask("expect", pace)));
  }

  /** Has one of the writers send a message. */
  send(writer: number, content: string): void {
    this.writers.send(writer, content);
  }

  async measure(isMeasuring: boolean): Promise<void> {
    this.writers.measure(isMeasuring);
    await Promise.all(this.processes.map((each) => each.ask("measure", { isMeasuring })));
  }

  /** @param sent number of messages up to now */
  async progress(sent: number): Promise<MemberCounts> {
    const others = await Promise.all(this.processes.map((each) => each.ask("progress", { sent })));
    const all = [this.writers.progress(sent), ...others];
    const sum = (of: (counts: MemberCounts) => number) => all.reduce((total, counts) => total + of(counts), 0);
    return {
      events: sum(({ events }) => events),
      notices: sum(({ notices }) => notices),
      behind: sum(({ behind }) => behind),
      errors: all.flatMap(({ errors }) => errors),
    };
  }

  async times(): Promise<MemberTimes> {
    const times = newMemberTimes();
    times.shown.add(this.writers.times.shown);
    times.told.add(this.writers.times.told);
    for (const { shown, told } of await Promise.all(this.processes.map((each) => each.ask("times")))) {
      times.shown.add(decodeFromCompressedBase64(shown) as Histogram);
      times.told.add(decodeFromCompressedBase64(told) as Histogram);
    }
    return times;
  }

  close(): void {
    this.writers.close();
    for (const each of this.processes) each.end();
  }
}
