/**
 * The PROXY protocol, versions 1 and 2: a balancer that only passes bytes on tells the address of its client in front of them.
 * Source: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
 */
import { isIP, type Socket } from "node:net";
import { guarded } from "../../boundary";

/** The address of a client, as its proxy tells it. */
export interface ClientOrigin {
  address: string;
  port: number;
}

/**
 * `more`: the header is not complete yet. `error`: the bytes are no header. Otherwise `bytes` is the length of the header; the
 * origin is undefined when the proxy speaks for itself (a health check) or does not know it.
 */
export type ProxyHeader = "more" | "error" | { bytes: number; origin: ClientOrigin | undefined };

const SIGNATURE = Buffer.from("0d0a0d0a000d0a515549540a", "hex");
const MOST_TEXT_BYTES = 107;
const FIXED_BYTES = 16;
/** Addresses and additional fields of version 2: more is no honest header. */
const MOST_BINARY_BYTES = 1_024;
/** Bytes of the two addresses and two ports, by family; TCP over IPv4 and IPv6. */
const FAMILIES: ReadonlyMap<number, 4 | 16> = new Map([
  [0x11, 4],
  [0x21, 16],
]);
const LOCAL = 0x20;
const PROXY = 0x21;

/** Reads the header at the beginning of a connection's bytes. */
export function readProxyHeader(bytes: Buffer): ProxyHeader {
  const known = Math.min(bytes.length, SIGNATURE.length);
  if (known === 0) return "more";
  if (bytes.compare(SIGNATURE, 0, known, 0, known) === 0) return readBinary(bytes);
  return readText(bytes);
}

function readText(bytes: Buffer): ProxyHeader {
  const start = "PROXY ";
  const head = bytes.toString("latin1", 0, Math.min(bytes.length, MOST_TEXT_BYTES));
  if (!start.startsWith(head.slice(0, start.length))) return "error";
  const end = head.indexOf("\r\n");
  if (end < 0) return bytes.length < MOST_TEXT_BYTES ? "more" : "error";
  const [, family, source, target, sourcePort, targetPort, ...rest] = head.slice(0, end).split(" ");
  const size = end + 2;
  if (family === "UNKNOWN") return { bytes: size, origin: undefined };
  const version = family === "TCP4" ? 4 : family === "TCP6" ? 6 : 0;
  const fits = [source, target].every((address) => version !== 0 && isIP(address ?? "") === version);
  const ports = [sourcePort, targetPort].map((text) => (/^\d{1,5}$/.test(text ?? "") ? Number(text) : 65_536));
  if (!fits || rest.length > 0 || ports.some((port) => port > 65_535)) return "error";
  return { bytes: size, origin: { address: source!, port: ports[0]! } };
}

function readBinary(bytes: Buffer): ProxyHeader {
  if (bytes.length < FIXED_BYTES) return "more";
  const [command, family, length] = [bytes[12]!, bytes[13]!, bytes.readUInt16BE(14)];
  if ((command !== LOCAL && command !== PROXY) || length > MOST_BINARY_BYTES) return "error";
  const size = FIXED_BYTES + length;
  if (bytes.length < size) return "more";
  const addressBytes = FAMILIES.get(family);
  if (command === LOCAL || addressBytes === undefined) return { bytes: size, origin: undefined };
  if (length < 2 * addressBytes + 4) return "error";
  const address = addressText(bytes.subarray(FIXED_BYTES, FIXED_BYTES + addressBytes));
  return { bytes: size, origin: { address, port: bytes.readUInt16BE(FIXED_BYTES + 2 * addressBytes) } };
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return groups.join(":");
}

/**
 * Takes the header off the beginning of a connection; what follows stays readable.
 * @param patienceMs the time that the proxy has to send the header, ms
 * @returns the origin; undefined when the proxy names none
 * @throws Error when the header does not come, or is none
 */
export function takeProxyHeader(socket: Socket, patienceMs: number): Promise<ClientOrigin | undefined> {
  return new Promise((resolve, reject) => {
    let bytes: Buffer = Buffer.alloc(0);
    const end = (settle: () => void) => {
      clearTimeout(timer);
      socket.off("readable", read).off("close", onClose);
      // The stream leaves its paused mode in the next tick; only then may another reader begin.
      setImmediate(guarded("socket", settle));
    };
    const fail = (message: string) => end(() => reject(new Error(message)));
    const onClose = () => fail("the connection was closed before the PROXY header was complete");
    const expire = guarded("timer", () => fail("the PROXY header did not come in time"));
    const timer = setTimeout(expire, patienceMs);
    const read = () => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      const header = readProxyHeader(bytes);
      if (header === "more") return;
      if (header === "error") return fail("the connection does not begin with a PROXY header");
      if (bytes.length > header.bytes) socket.unshift(bytes.subarray(header.bytes));
      end(() => resolve(header.origin));
    };
    socket.on("readable", read).on("close", onClose);
  });
}
