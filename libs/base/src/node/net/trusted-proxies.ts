/**
 * Decides which address a client has. A client can write X-Forwarded-For itself and claim any address, so only an address
 * counts that a proxy named by the operator has seen itself.
 */
import { BlockList, isIP } from "node:net";
import { SettingsError } from "../settings-error";

/** Networks by name. */
const NAMED: Readonly<Record<string, readonly string[]>> = {
  loopback: ["127.0.0.0/8", "::1/128"],
  linklocal: ["169.254.0.0/16", "fe80::/10"],
  uniquelocal: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
};

/**
 * @param setting its name, for the message
 * @param proxies addresses, networks like `10.0.0.0/8` or `10.0.0.0/255.0.0.0`, or names of networks
 * @throws SettingsError for anything else, and for `true`
 */
export function checkProxies(setting: string, proxies: readonly string[]): readonly string[] {
  for (const proxy of proxies) {
    if (proxy === "true") {
      throw new SettingsError(
        `${setting}: true would believe every client; name them: addresses, networks, or loopback`,
      );
    }
    if (NAMED[proxy] === undefined && readNetwork(proxy) === undefined) {
      throw new SettingsError(`${setting}: ${proxy} is no address, no network like 10.0.0.0/8, and not loopback`);
    }
  }
  return proxies;
}

export class TrustedProxies {
  private readonly list = new BlockList();

  /** @param proxies as `checkProxies` has passed them */
  constructor(proxies: readonly string[]) {
    for (const network of proxies.flatMap((proxy) => NAMED[proxy] ?? [proxy])) {
      const [address, prefix, family] = readNetwork(network)!;
      this.list.addSubnet(address, prefix, family);
    }
  }

  trusts(address: string): boolean {
    const plain = plainAddress(address);
    return isIP(plain) !== 0 && this.list.check(plain, familyOf(plain));
  }

  /**
   * Returns the address of the client: the last address in the chain that is not a trusted proxy.
   * @param peer the other side of the socket
   * @param forwardedFor the header; each proxy has added an address at its end
   */
  clientOf(peer: string, forwardedFor: string | readonly string[] | undefined): string {
    const told = [forwardedFor ?? []].flat().join(",").split(",");
    let client = plainAddress(peer);
    while (this.trusts(client)) {
      const before = withoutPort((told.pop() ?? "").trim());
      if (isIP(before) === 0) break;
      client = plainAddress(before);
    }
    return client;
  }
}

/** @returns address, length of the prefix, family; undefined when the text is no network */
function readNetwork(text: string): [address: string, prefix: number, family: "ipv4" | "ipv6"] | undefined {
  const [address, mask, ...rest] = text.split("/") as [string, ...string[]];
  if (isIP(address) === 0 || rest.length > 0) return undefined;
  const family = familyOf(address);
  const most = family === "ipv4" ? 32 : 128;
  if (mask === undefined) return [address, most, family];
  if (/^\d{1,3}$/.test(mask)) return Number(mask) <= most ? [address, Number(mask), family] : undefined;
  const prefix = family === "ipv4" && isIP(mask) === 4 ? prefixOf(mask) : undefined;
  return prefix === undefined ? undefined : [address, prefix, family];
}

/** @returns length of the prefix; undefined unless the mask is ones, then zeros */
function prefixOf(mask: string): number | undefined {
  const bits = mask.split(".").map((byte) => Number(byte).toString(2).padStart(8, "0"));
  const [, ones] = /^(1*)0*$/.exec(bits.join("")) ?? [];
  return ones?.length;
}

/** Removes the IPv6 form of an IPv4 address, which a socket for both families uses. */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, "").split("%")[0]!;
}

/** Some proxies add the port: `192.0.2.1:99`, `[2001:db8::1]:99`. */
function withoutPort(address: string): string {
  const [, inBrackets] = /^\[([^\]]*)\](?::\d+)?$/.exec(address) ?? [];
  return inBrackets ?? address.replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, "$1");
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}
