import { decodePublish, encodePuback, encodePublish, PacketCutter, PacketType, text } from "./mqtt";

const inbox = text("inbox/bench-1");

test("a published message is read back, its length in one, two and three bytes", () => {
  for (const size of [0, 1, 100, 110, 111, 127, 128, 16_383, 16_384, 70_000]) {
    const content = "é".repeat(size);
    const [packet, ...rest] = new PacketCutter().push(encodePublish(65_535, inbox, content));
    expect(rest).toEqual([]);
    expect(packet!.type).toBe(PacketType.PUBLISH);
    expect(decodePublish(packet!.body)).toEqual({ packetId: 65_535, content });
  }
});

test("the remaining length is written as the standard has it", () => {
  const header = (bytes: number) => encodePublish(1, text(""), "x".repeat(bytes - 4)).subarray(1, 4);
  expect([...header(127)].slice(0, 1)).toEqual([0x7f]);
  expect([...header(128)].slice(0, 2)).toEqual([0x80, 0x01]);
  expect([...header(16_383)].slice(0, 2)).toEqual([0xff, 0x7f]);
  expect([...header(16_384)]).toEqual([0x80, 0x80, 0x01]);
});

test("packets are cut wherever the chunks end", () => {
  const stream = Buffer.concat([
    encodePublish(1, inbox, "x".repeat(200)),
    encodePuback(2),
    encodePublish(3, inbox, ""),
  ]);
  for (let size = 1; size <= stream.length; size++) {
    const cutter = new PacketCutter();
    const packets = [];
    for (let at = 0; at < stream.length; at += size) packets.push(...cutter.push(stream.subarray(at, at + size)));
    expect(packets.map(({ type }) => type)).toEqual([PacketType.PUBLISH, PacketType.PUBACK, PacketType.PUBLISH]);
    expect(decodePublish(packets[0]!.body).content).toBe("x".repeat(200));
    expect(packets[1]!.body.readUInt16BE(0)).toBe(2);
  }
});

test("a length that never ends is refused", () => {
  expect(() => new PacketCutter().push(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff]))).toThrow("more than four bytes");
});
