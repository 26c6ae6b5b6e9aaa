/**
 * One attempt to get a session: ask for the route, connect, follow GOAWAYs.
 *
 * The first gateway of the route is the right one. If it does not answer (it died, and the ring does not know yet), the second
 * gateway takes the device when the device says `fallback`. A gateway with another view of the ring answers GOAWAY. After three
 * in a row two views disagree, and `fallback` makes the next gateway take the device all the same.
 */
import { CarillonError, type ConnectedPayload, type ConnectPayload, type GatewayAddress } from "@carillon/protocol";
import { throwIfAborted } from "../abort";
import { GatewayConnection } from "./gateway-connection";
import { ConnectionLost, NoAnswer } from "./requests";
import type { LinkOpener } from "./transport";

export interface FindGatewayOptions {
  transport: LinkOpener;
  /** Returns the gateways for this user; the right gateway is the first. */
  route(): Promise<GatewayAddress[]>;
  /** Returns the present payload of CONNECT, without `fallback`. */
  greeting(): Promise<ConnectPayload>;
}

const MOST_HOPS = 3;
/** The time that a gateway has to accept a connection after it did not answer for some seconds, ms. */
const SILENT_MS = 1_500;
const CONNECT_MS = 10_000;

export interface Found {
  connection: GatewayConnection;
  connected: ConnectedPayload;
  /** The number of GOAWAYs that the client followed in a row, earlier attempts included. */
  hops: number;
}

/**
 * Finds a gateway and opens a session.
 * @param start the gateway that a GOAWAY named; undefined: the client asks for the route
 * @param hops the number of GOAWAYs in a row so far
 * @param openMs the time that a gateway has to accept the connection, ms; it has twice as long to open the session, 10 s at most
 * @param silent the gateway of the last connection, if it did not answer any more: it has less time
 * @throws CarillonError of the refusal; UNAVAILABLE if no gateway answers, with the cause
 */
export async function findGateway(
  options: FindGatewayOptions,
  start: GatewayAddress | undefined,
  hops: number,
  signal: AbortSignal,
  openMs: number,
  silent?: string,
): Promise<Found> {
  let candidates = start === undefined ? await options.route() : [start];
  let failure: Error = new CarillonError("BUSY", "no gateway is known");
  for (let index = 0; index < candidates.length; ) {
    throwIfAborted(signal);
    const fallback = index > 0 || hops >= MOST_HOPS;
    const address = candidates[index] as GatewayAddress;
    const patienceMs = address.gatewayId === silent ? SILENT_MS : openMs;
    const result = await tryGateway(options, address, fallback, signal, patienceMs);
    if (result instanceof Error) {
      failure = result;
      index++;
    } else if ("connection" in result) {
      return { ...result, hops };
    } else {
      // The client leaves gateways that disagree for longer alone until the next attempt.
      if (++hops > MOST_HOPS + 1) throw new CarillonError("WRONG_GATEWAY", "the gateways disagree where to go");
      candidates = result.reconnectTo === undefined ? await options.route() : [result.reconnectTo];
      index = 0;
    }
  }
  throw failure;
}

/** @returns an Error if the gateway cannot be reached @throws CarillonError of a refusal */
async function tryGateway(
  { transport, greeting }: FindGatewayOptions,
  address: GatewayAddress,
  fallback: boolean,
  signal: AbortSignal,
  openMs: number,
): Promise<{ connection: GatewayConnection; connected: ConnectedPayload } | { reconnectTo?: GatewayAddress } | Error> {
  const payload = await greeting();
  let connection: GatewayConnection;
  try {
    connection = new GatewayConnection(await transport.open(address, openMs));
  } catch (error) {
    return unreachable(error as Error);
  }
  const abort = () => connection.close(undefined, "closed by the app");
  signal.addEventListener("abort", abort);
  try {
    const answer = await connection.open(
      fallback ? { ...payload, fallback } : payload,
      Math.min(2 * openMs, CONNECT_MS),
    );
    if ("sessionId" in answer && !signal.aborted) return { connection, connected: answer };
    connection.close(undefined, "sent elsewhere");
    return answer as { reconnectTo?: GatewayAddress };
  } catch (error) {
    connection.close(undefined, "not opened");
    const isUnanswered = error instanceof ConnectionLost || error instanceof NoAnswer;
    if (error instanceof CarillonError && !isUnanswered) throw error;
    // A gateway that accepts the connection and then stays silent counts as unreachable.
    return unreachable(error as Error);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function unreachable(cause: Error): CarillonError {
  return new CarillonError("UNAVAILABLE", cause.message, { cause });
}
