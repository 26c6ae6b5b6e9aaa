import {
  commandNumber,
  commandTable,
  decodeEvent,
  decodeFrames,
  decodeJsonFrame,
  decodePayload,
  type Event,
  encodeEvent,
  encodeFrame,
  encodeJsonFrame,
  encodePayload,
  FrameDecoder,
  parseRequest,
  parseServerMessage,
} from "../src/index";
import { fromHex, type GoldenFrame, golden, toHex } from "./golden";

const frames = golden<GoldenFrame>("frames.json");

describe("golden frames", () => {
  test("contain a frame of every command, from each side that sends it", () => {
    const has = (number: number, from: string) => frames.some((row) => row.number === number && row.from === from);
    for (const { number, direction } of commandTable) {
      if (direction !== "server") expect([number, has(number, "client")]).toEqual([number, true]);
      if (direction !== "client") expect([number, has(number, "server")]).toEqual([number, true]);
    }
  });

  test.each(frames.map((row) => [row.name, row] as const))("%s: bytes to message", (_name, row) => {
    const decoder = new FrameDecoder();
    const [frame, ...others] = decoder.push(fromHex(row.hex));
    expect(others).toEqual([]);
    expect(decoder.fault).toBeUndefined();
    expect(frame?.requestId).toBe(row.json.requestId);
    expect(frame?.command).toBe(row.number);
    expect(commandNumber(row.json.command)).toBe(row.number);
    const parse = row.from === "client" ? parseRequest : parseServerMessage;
    const message = parse(row.number, frame?.payload as Uint8Array);
    expect(message).toEqual({ command: row.number, payload: row.json.payload });
    expect(decodeFrames(fromHex(row.hex)).frames).toEqual([frame]);
  });

  test.each(frames.map((row) => [row.name, row] as const))("%s: message to bytes", (_name, row) => {
    const hasNoBytes = row.hex.length === 24;
    const payload = hasNoBytes ? undefined : row.json.payload;
    expect(toHex(encodeFrame(row.number, row.json.requestId, payload))).toBe(row.hex);
    if (payload !== undefined) {
      expect(toHex(encodeFrame(row.number, row.json.requestId, encodePayload(payload)))).toBe(row.hex);
    }
  });

  test.each(frames.map((row) => [row.name, row] as const))("%s: JSON form both ways", (_name, row) => {
    const expected = { command: row.number, requestId: row.json.requestId, payload: row.json.payload };
    expect(decodeJsonFrame(JSON.stringify(row.json))).toEqual(expected);
    const bytes = fromHex(row.hex).subarray(12);
    expect(JSON.parse(encodeJsonFrame(row.number, row.json.requestId, bytes))).toEqual(row.json);
    expect(encodeJsonFrame(row.number, row.json.requestId, row.json.payload)).toBe(JSON.stringify(row.json));
  });
});

describe("golden events", () => {
  const events = golden<{ name: string; json: Event; hex: string }>("events.json");

  test.each(events.map((row) => [row.name, row] as const))("%s", (_name, row) => {
    expect(toHex(encodeEvent(row.json))).toBe(row.hex);
    expect(toHex(encodePayload(row.json))).toBe(row.hex);
    expect(decodeEvent(fromHex(row.hex))).toEqual(row.json);
  });
});

describe("golden bad frames", () => {
  interface BadFrame {
    name: string;
    hex: string;
    framesBefore: number;
    error: string;
    requestId: number;
  }

  test.each(golden<BadFrame>("bad-frames.json").map((row) => [row.name, row] as const))("%s", (_name, row) => {
    const decoder = new FrameDecoder();
    expect(decoder.push(fromHex(row.hex))).toHaveLength(row.framesBefore);
    expect(decoder.fault).toMatchObject({ error: row.error, requestId: row.requestId });
    const message = decodeFrames(fromHex(row.hex));
    expect(message.frames).toHaveLength(row.framesBefore);
    expect(message.fault).toEqual(decoder.fault);
  });
});

describe("golden bad payloads", () => {
  interface BadPayload {
    name: string;
    number: number;
    message: string;
    hex: string;
  }

  test.each(golden<BadPayload>("bad-payloads.json").map((row) => [row.name, row] as const))("%s", (_name, row) => {
    const result = parseRequest(row.number, fromHex(row.hex));
    expect(result).toEqual({ error: "BAD_PAYLOAD", message: row.message });
  });

  test("decodePayload throws at a structural fault", () => {
    expect(() => decodePayload(fromHex("90"))).toThrow("payload: must be a map");
  });
});

describe("golden JSON frames", () => {
  interface JsonSample {
    name: string;
    text: string;
    frame?: object;
    error?: string;
    requestId?: number;
  }

  test.each(golden<JsonSample>("json-frames.json").map((row) => [row.name, row] as const))("%s", (_name, row) => {
    const result = decodeJsonFrame(row.text);
    if (row.frame !== undefined) expect(result).toEqual(row.frame);
    else expect(result).toEqual({ error: row.error, requestId: row.requestId, message: expect.any(String) });
  });
});
