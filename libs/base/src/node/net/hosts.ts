/** Hosts in settings: the address that a process listens on, and the host that clients are told. */
import { isIP, isIPv6 } from "node:net";
import { SettingsError } from "../settings-error";

const NAME = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?$/;
/** Names for every address of a machine: a process can listen on them, but no client can open them. */
const EVERY_ADDRESS = /^[0.:]+$/;

/**
 * @param setting its name, for the message
 * @throws SettingsError unless the host is an address (of IPv6 without brackets) or a host name
 */
export function checkHost(setting: string, host: string): string {
  if (isIP(host) !== 0 || NAME.test(host)) return host;
  throw new SettingsError(
    `${setting}: ${JSON.stringify(host)} is no address and no host name (neither scheme nor port nor brackets belong to it)`,
  );
}

/**
 * The host that clients are told.
 * @param advertised the host that the operator named for it
 * @param host the host on which the gateway listens
 * @param setting the name of its setting, for the message
 * @throws SettingsError when clients cannot open that host
 */
export function advertisedHost(advertised: string | undefined, host: string, setting: string): string {
  const told = advertised === undefined ? host : checkHost("gateway.advertiseHost", advertised);
  if (!EVERY_ADDRESS.test(told)) return told;
  throw new SettingsError(
    `${advertised === undefined ? setting : "gateway.advertiseHost"}: ${told} is every address of this machine, and none that clients can open: name one by gateway.advertiseHost`,
  );
}

/** Whether a host stands for every address of a machine. */
export const isEveryAddress = (host: string) => EVERY_ADDRESS.test(host);

/** The form of a host in front of a port. */
export function hostInAddress(host: string): string {
  return isIPv6(host) ? `[${host}]` : host;
}
