/**
 * The key under which clients are counted by address: an address of IPv4, or the /64 network of IPv6, because a client that has
 * one address of such a network has all 2^64 of them.
 * @param address in the form of sockets: `192.0.2.1`, `2001:db8::1`, `::ffff:192.0.2.1`, with or without a zone
 */
export function addressKey(address: string): string {
  const [plain] = address.toLowerCase().split("%") as [string];
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain);
  if (mapped !== null) return mapped[1]!;
  if (!plain.includes(":")) return plain;
  return `${groupsOf(plain).slice(0, 4).join(":")}::/64`;
}

/** The eight groups of an IPv6 address without leading zeros. */
function groupsOf(address: string): string[] {
  const [head = "", tail] = address.split("::");
  const first = head.split(":").filter((group) => group !== "");
  const last = (tail ?? "").split(":").filter((group) => group !== "");
  const missing = Math.max(0, 8 - first.length - last.length);
  const all = tail === undefined ? first : [...first, ...Array.from({ length: missing }, () => "0"), ...last];
  return all.map((group) => group.replace(/^0+(?=.)/, ""));
}
