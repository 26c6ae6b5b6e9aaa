import { acknowledgedBy, bodyOf, END_OF_STREAM, escapeXml, StanzaCutter } from "./xmpp";

const OPENING = "<?xml version='1.0'?><stream:stream id='1' xmlns='jabber:client' xmlns:stream='x' version='1.0'>";
const STANZAS = [
  "<stream:features><mechanisms xmlns='y'><mechanism>PLAIN</mechanism></mechanisms></stream:features>",
  "<success xmlns='y'/>",
  `<message from='a@b/c' to="d>e"><body>${escapeXml("é <one> & 'two' \"three\" €")}</body><x a='/'/></message>`,
  "<r xmlns='urn:xmpp:sm:3'/>",
  "<message><body></body></message>",
  "<a xmlns='urn:xmpp:sm:3' h='17'/>",
];

test("stanzas are cut wherever the chunks end, in letters of several bytes, too, and over a stream that begins anew", () => {
  const [features, success, ...rest] = STANZAS;
  const text = `${OPENING}${features}${success}${OPENING}${features}\n${rest.join(" ")}${END_OF_STREAM}`;
  const stream = Buffer.from(text);
  for (let size = 1; size <= stream.length; size++) {
    const cutter = new StanzaCutter();
    const stanzas = [];
    for (let at = 0; at < stream.length; at += size) stanzas.push(...cutter.push(stream.subarray(at, at + size)));
    expect(stanzas).toEqual([features, success, features, ...rest, END_OF_STREAM]);
  }
});

test("a body is read back as it was written", () => {
  expect(bodyOf(STANZAS[2]!)).toBe("é <one> & 'two' \"three\" €");
  expect(bodyOf("<message><body></body></message>")).toBe("");
  expect(bodyOf("<message><received/></message>")).toBeUndefined();
});

test("the count of an acknowledgement is read", () => {
  expect(acknowledgedBy("<a xmlns='urn:xmpp:sm:3' h='17'/>")).toBe(17);
  expect(acknowledgedBy('<a h="4294967295" xmlns="urn:xmpp:sm:3"/>')).toBe(4_294_967_295);
});
