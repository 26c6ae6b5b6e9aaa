/**
 * The SDK where the platform has less than a browser: no text codecs, no secure random source, no URL, and an AbortSignal of the
 * first years. The test bundles it as an app does, and runs it in a global scope of its own.
 */
import vm from "node:vm";
import { Command, type Frame, FrameDecoder, frameOf, packPayload } from "@carillon/protocol";
import { bundle } from "./fixtures/bundle";
import { connected } from "./fixtures/connected";

/** A store in the form of AsyncStorage. */
class Store {
  readonly values = new Map<string, string>([["of somebody else", "untouched"]]);
  getItem = async (key: string) => this.values.get(key) ?? null;
  setItem = async (key: string, value: string) => void this.values.set(key, value);
  removeItem = async (key: string) => void this.values.delete(key);
  getAllKeys = async () => [...this.values.keys()];
}

/** A gateway behind the WebSocket of the platform: it answers CONNECT. */
class FakeWebSocket {
  static readonly sent: Frame[] = [];
  binaryType = "";
  readyState = 0;
  private readonly listeners = new Map<string, ((event: object) => void)[]>();
  private readonly decoder = new FrameDecoder();

  constructor() {
    setTimeout(() => {
      this.readyState = 1;
      this.tell("open", {});
    }, 1);
  }

  addEventListener(type: string, listener: (event: object) => void): void {
    this.listeners.set(type, [...(this.listeners.get(type) ?? []), listener]);
  }

  send(bytes: Uint8Array): void {
    // The value is of another global scope: its classes differ from ours.
    for (const frame of this.decoder.push(Uint8Array.from(bytes))) {
      FakeWebSocket.sent.push(frame);
      if (frame.command === Command.CONNECT) this.answer(Command.CONNECTED, frame.requestId, connected("g"));
    }
  }

  close(): void {
    this.readyState = 3;
    this.tell("close", { code: 1000 });
  }

  private answer(command: number, requestId: number, payload: object): void {
    const frame = frameOf(command, requestId, packPayload(payload));
    const data = world.run(`Uint8Array.from([${frame.join()}]).buffer`);
    queueMicrotask(() => this.tell("message", { data }));
  }

  private tell(type: string, event: object): void {
    for (const listener of this.listeners.get(type) ?? []) listener(event);
  }
}

/** The globals of React Native. */
function newWorld() {
  class OldAbortSignal extends EventTarget {
    aborted = false;
  }
  class OldAbortController {
    readonly signal = new OldAbortSignal();
    abort(): void {
      if (this.signal.aborted) return;
      this.signal.aborted = true;
      this.signal.dispatchEvent(new Event("abort"));
    }
  }
  const fetched: string[] = [];
  const fetch = async (url: string) => {
    fetched.push(url);
    const body = url.endsWith("/v1/route") ? { gateways: [{ gatewayId: "g", ws: "ws://g", tcp: "g:1" }] } : {};
    return { ok: true, text: async () => JSON.stringify(body) };
  };
  const timers = { setTimeout, clearTimeout, setInterval, clearInterval, queueMicrotask };
  const globals = {
    ...timers,
    performance,
    console,
    fetch,
    AbortController: OldAbortController,
    WebSocket: FakeWebSocket,
  };
  const context = vm.createContext({ ...globals, module: { exports: {} } });
  const { outputFiles } = bundle({ format: "cjs" });
  vm.runInContext(outputFiles[0]!.text, context);
  return { sdk: context["module"].exports, fetched, run: (code: string) => vm.runInContext(code, context) };
}

let world: ReturnType<typeof newWorld>;

test("the SDK connects, sends and stores text of any script and length", async () => {
  world = newWorld();
  const { CarillonClient, KeyValueStorage } = world.sdk;
  const store = new Store();
  const client = new CarillonClient({
    ...{ api: "https://api.example.org", token: "a.b.c", deviceId: "phone", platform: "ios" },
    storage: new KeyValueStorage(store, "carillon/alice/"),
  });
  await client.connect();
  const texts = ["héllo", "安否確認 ".repeat(40), "👍🏽 ".repeat(60), "x".repeat(300)];
  for (const [i, text] of texts.entries()) client.send(`u:bob-${i}`, text).catch(() => {});
  while (FakeWebSocket.sent.length < texts.length + 1) await new Promise((resolve) => setTimeout(resolve, 5));
  const sent = FakeWebSocket.sent.slice(1).map(({ payload }) => Buffer.from(payload).toString("utf8"));
  for (const text of texts) expect(sent.some((payload) => payload.includes(text))).toBe(true);
  const keys = [...store.values.keys()];
  expect(keys.filter((key) => key.startsWith("carillon/alice/outbox/"))).toHaveLength(texts.length);
  await client.close();
  expect(store.values.get("of somebody else")).toBe("untouched");
  expect(world.fetched).toContain("https://api.example.org/v1/route");
});
