import { FrameCutter, FrameWriter, Opcode } from "./websocket";

/** A frame as a server sends it: not masked. */
function serverFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const header = payload.length < 126 ? [payload.length] : [126, payload.length >> 8, payload.length & 0xff];
  return Buffer.concat([Buffer.from([0x81, ...header]), payload]);
}

/** Reads a frame as a server does. */
function unmask(frame: Buffer): { length: number; text: string } {
  const short = frame[1]! & 0x7f;
  const start = short === 126 ? 4 : 2;
  const mask = frame.subarray(start, start + 4);
  const payload = frame.subarray(start + 4).map((byte, i) => byte ^ mask[i & 3]!);
  return { length: short === 126 ? frame.readUInt16BE(2) : short, text: Buffer.from(payload).toString() };
}

test("frames are cut wherever the chunks end", () => {
  const texts = ["", "2", "é".repeat(62), "x".repeat(125), "x".repeat(126), "y".repeat(300), "43[]"];
  const stream = Buffer.concat(texts.map(serverFrame));
  for (let size = 1; size <= stream.length; size++) {
    const cutter = new FrameCutter();
    const frames = [];
    for (let at = 0; at < stream.length; at += size) frames.push(...cutter.push(stream.subarray(at, at + size)));
    expect(frames.map(({ payload }) => payload.toString())).toEqual(texts);
    expect(frames.every(({ opcode }) => opcode === Opcode.TEXT)).toBe(true);
  }
});

test("a fragment, a masked frame and a giant are refused", () => {
  const cut = (...bytes: number[]) => new FrameCutter().push(Buffer.from(bytes));
  expect(() => cut(0x01, 1, 0x32)).toThrow("does not know");
  expect(() => cut(0x81, 0x81, 0, 0, 0, 0, 0x32)).toThrow("does not know");
  expect(() => cut(0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0)).toThrow("does not know");
});

test("a written frame is masked and has its length", () => {
  const writer = new FrameWriter();
  for (const text of ["", "40", "é".repeat(62), "x".repeat(126), "z".repeat(65_535)]) {
    const frame = writer.text(text);
    expect(frame[0]).toBe(0x81);
    expect(frame[1]! & 0x80).toBe(0x80);
    expect(unmask(frame)).toEqual({ length: Buffer.byteLength(text), text });
  }
});
