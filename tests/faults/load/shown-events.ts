import type { Event } from "@carillon/client";
import type { DeviceRecorder } from "@carillon/testkit";

/**
 * Shows events as an app does: each once, whether it was delivered or fetched.
 *
 * An event that was fetched after a resync may be delivered later: the app knows it and does not show it again. An event that is
 * delivered twice is a fault of the client under test, and goes into the history unchanged.
 */
export class ShownEvents {
  private readonly known = new Map<string, Map<number, "deliver" | "pull">>();

  constructor(private readonly recorder: DeviceRecorder) {}

  take(event: Event, by: "deliver" | "pull"): void {
    const { conversationId, seq, messageId, senderId, clientMsgId, content = "" } = event;
    const numbers = this.numbers(conversationId);
    const before = numbers.get(seq);
    if (before === "pull" || (before !== undefined && by === "pull")) return;
    numbers.set(seq, by);
    this.recorder.shown({ conversationId, seq, messageId, senderId, clientMsgId, content, by });
  }

  has(conversationId: string, seq: number): boolean {
    return this.numbers(conversationId).has(seq);
  }

  /** Returns the lowest missing number up to `last`; undefined when there is none. */
  firstMissing(conversationId: string, last: number): number | undefined {
    const numbers = this.numbers(conversationId);
    for (let seq = 1; seq <= last; seq++) if (!numbers.has(seq)) return seq;
    return undefined;
  }

  private numbers(conversationId: string): Map<number, "deliver" | "pull"> {
    const numbers = this.known.get(conversationId) ?? new Map();
    this.known.set(conversationId, numbers);
    return numbers;
  }
}
