/** Hosts in settings: what a process listens on, and what clients are told. */
import { isIP, isIPv6 } from "node:net";
import { SettingsError } from "../settings";

const NAME = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?$/;
/** Every address of a machine: to be listened on, but none that anybody could open. */
const EVERY_ADDRESS = /^[0.:]+$/;

/**
 * @param setting its name, for the message
 * @throws SettingsError unless it is an address, of IPv6 without brackets, or a host name
 */
export function checkHost(setting: string, host: string): string {
  if (isIP(host) !== 0 || NAME.test(host)) return host;
  throw new SettingsError(
    `${setting}: ${JSON.stringify(host)} is no address and no host name (neither scheme nor port nor brackets belong to it)`,
  );
}

/**
 * The host that clients are told.
 * @param advertised what the setting `gateway.advertiseHost` says
 * @param host what the gateway listens on
 * @throws SettingsError when it is none that clients could open
 */
export function advertisedHost(advertised: string | undefined, host: string): string {
  const told = advertised === undefined ? host : checkHost("gateway.advertiseHost", advertised);
  if (!EVERY_ADDRESS.test(told)) return told;
  throw new SettingsError(
    `gateway.${advertised === undefined ? "host" : "advertiseHost"}: ${told} is every address of this machine, and none that clients can open: name one by gateway.advertiseHost`,
  );
}

/** A host as it stands in front of a port. */
export function hostInAddress(host: string): string {
  return isIPv6(host) ? `[${host}]` : host;
}
