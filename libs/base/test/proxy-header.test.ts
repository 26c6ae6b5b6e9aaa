import { readProxyHeader } from "../src/node";

const SIGNATURE = "0d0a0d0a000d0a515549540a";
const binary = (command: number, family: number, body: string, length = body.length / 2) =>
  Buffer.from(
    `${SIGNATURE}${[command, family].map((byte) => byte.toString(16).padStart(2, "0")).join("")}${length.toString(16).padStart(4, "0")}${body}`,
    "hex",
  );
/** 192.0.2.1:4711 to 198.51.100.2:443. */
const OVER_IPV4 = "c0000201c63364021267" + "01bb";
const OVER_IPV6 = `${"20010db8000000000000000000000001"}${"20010db8000000000000000000000002"}126701bb`;

test.each([
  ["version 1, IPv4", Buffer.from("PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\r\n"), "192.0.2.1"],
  ["version 1, IPv6", Buffer.from("PROXY TCP6 2001:db8::1 2001:db8::2 4711 443\r\n"), "2001:db8::1"],
  ["version 2, IPv4", binary(0x21, 0x11, OVER_IPV4), "192.0.2.1"],
  ["version 2, IPv4 with more fields", binary(0x21, 0x11, `${OVER_IPV4}0400010a`), "192.0.2.1"],
  ["version 2, IPv6", binary(0x21, 0x21, OVER_IPV6), "2001:db8:0:0:0:0:0:1"],
])("%s: the origin is read, and what follows is left", (_name, header, address) => {
  const expected = { bytes: header.length, origin: { address, port: 4711 } };
  expect(readProxyHeader(header)).toEqual(expected);
  expect(readProxyHeader(Buffer.concat([header, Buffer.from("more")]))).toEqual(expected);
  for (let length = 0; length < header.length; length++)
    expect(readProxyHeader(header.subarray(0, length))).toBe("more");
});

test.each([
  ["version 1 without addresses", Buffer.from("PROXY UNKNOWN\r\n")],
  ["version 1, unknown, with the rest of the line", Buffer.from("PROXY UNKNOWN a b 1 2\r\n")],
  ["version 2, the proxy's own check", binary(0x20, 0x00, "")],
  ["version 2, a socket of Unix", binary(0x21, 0x31, "00".repeat(216))],
])("%s: there is no origin", (_name, header) => {
  expect(readProxyHeader(header)).toEqual({ bytes: header.length, origin: undefined });
});

test.each([
  ["a frame", Buffer.from([0, 0, 0, 8, 1, 0, 0, 3, 0, 0, 0, 1])],
  ["HTTP", Buffer.from("GET /ws HTTP/1.1\r\n")],
  ["another family", Buffer.from("PROXY TCP5 192.0.2.1 198.51.100.2 4711 443\r\n")],
  ["an address of the other family", Buffer.from("PROXY TCP4 2001:db8::1 198.51.100.2 4711 443\r\n")],
  ["a name", Buffer.from("PROXY TCP4 localhost 198.51.100.2 4711 443\r\n")],
  ["a port above all", Buffer.from("PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n")],
  ["a port in words", Buffer.from("PROXY TCP4 192.0.2.1 198.51.100.2 http 443\r\n")],
  ["another field", Buffer.from("PROXY TCP4 192.0.2.1 198.51.100.2 4711 443 x\r\n")],
  ["an endless line", Buffer.from(`PROXY TCP4 ${"1".repeat(200)}`)],
  ["an unknown command", binary(0x22, 0x11, OVER_IPV4)],
  ["another version", binary(0x11, 0x11, OVER_IPV4)],
  ["addresses that are cut", binary(0x21, 0x11, "c0000201")],
  ["a length above all", binary(0x21, 0x11, OVER_IPV4, 2_000)],
  ["a broken signature", Buffer.from("0d0a0d0a000d0a515549540b", "hex")],
])("%s is no header", (_name, bytes) => {
  expect(readProxyHeader(bytes)).toBe("error");
});
