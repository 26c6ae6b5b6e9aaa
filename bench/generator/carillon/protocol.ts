/**
 * Carillon's protocol for the load generator: the raw client's fast path (`tests/kit`, lean-client.ts) with SEND frames that
 * are patched and not encoded.
 */
import { Command, decodePayload } from "@carillon/protocol";
import { LeanClient } from "@carillon/testkit";
import type { LoadClientSpec, LoadConnection, LoadEvents, LoadProtocol } from "../load-protocol";
import { makeSendTemplate, SendRing } from "./send-ring";

/** The device that all of the generator's tokens are for. */
export const DEVICE = "bench";

export const protocol: LoadProtocol = {
  open: (spec, events) => CarillonConnection.open(spec, events),
};

class CarillonConnection extends LeanClient implements LoadConnection {
  private ring: SendRing | undefined;
  /** First message that is not written yet. */
  private unwritten = 0;
  private lastSeq = 0;
  private isClosed = false;
  /** Receiver of all messages, as SEND names it. */
  private readonly to: string;

  private constructor(
    spec: LoadClientSpec,
    private readonly events: LoadEvents,
  ) {
    super({ ...spec, deviceId: DEVICE, token: spec.secret });
    this.to = `u:${spec.peerId}`;
  }

  static async open(spec: LoadClientSpec, events: LoadEvents): Promise<LoadConnection> {
    const connection = new CarillonConnection(spec, events);
    await connection.logIn();
    return connection;
  }

  send(content: string): void {
    if (this.ring?.template.contentBytes !== content.length) {
      this.flush();
      this.ring = new SendRing(makeSendTemplate(this.to, content.length));
    }
    const requestId = ++this.lastRequestId;
    this.ring.add(requestId, content);
    if (this.unwritten === 0) this.unwritten = requestId;
    this.writeSoon();
  }

  close(): void {
    this.isClosed = true;
    this.cut();
  }

  protected override takeFrames(): Uint8Array[] {
    const frames = this.unwritten === 0 ? [] : this.ring!.frames(this.unwritten, this.lastRequestId);
    this.unwritten = 0;
    return frames;
  }

  protected onFrame(command: number, requestId: number, bytes: Buffer, from: number, to: number): void {
    if (command === Command.SENT) {
      if (this.ring?.settle(requestId) === true) this.events.onAccepted();
      else this.onFault(`SENT for request ${requestId}, which is not under way`);
      return;
    }
    const payload = () => decodePayload(bytes.subarray(from, to));
    if (command === Command.ERROR) this.repeatOrFail(requestId, payload());
    else if (command === Command.KICKED || command === Command.GOAWAY) {
      this.fail(`closed by the gateway: ${JSON.stringify(payload())}`);
    }
  }

  protected onMessage(seq: number, isOwn: boolean, content: string): void {
    if (seq !== this.lastSeq + 1) this.onFault(`seq ${seq} after ${this.lastSeq}`);
    this.lastSeq = seq;
    if (!isOwn) this.events.onMessage(content);
  }

  protected onFault(what: string): void {
    if (!this.isClosed) this.events.onError(what);
  }

  private repeatOrFail(requestId: number, error: Record<string, unknown>): void {
    if (error["name"] !== "BUSY" || this.ring?.isUnderWay(requestId) !== true) {
      return this.onFault(JSON.stringify(error));
    }
    this.events.onRepeated?.();
    const repeat = () => {
      for (const frame of this.ring!.frames(requestId, requestId)) this.writeNow(frame);
    };
    setTimeout(repeat, Number(error["retryAfterMs"] ?? 1_000));
  }
}
