/**
 * One try to get a session: ask for the way, go there, follow GOAWAY.
 *
 * The first gateway of the route is the right one. When it does not answer (it died, and the ring does not know yet),
 * the second one takes the device if it says `fallback`. A gateway with another view of the ring answers GOAWAY; after
 * three in a row two views disagree, and `fallback` makes the next one take the device all the same.
 */
import { CarillonError, type ConnectedPayload, type ConnectPayload, type GatewayAddress } from "@carillon/protocol";
import { throwIfAborted } from "../abort";
import { GatewayConnection } from "./gateway-connection";
import { ConnectionLost, NoAnswer } from "./requests";
import type { Transport } from "./transport";

export interface FindGatewayOptions {
  transport: Transport;
  /** Gateways for this user, the right one first. */
  route(): Promise<GatewayAddress[]>;
  /** CONNECT's payload of this moment, without `fallback`. */
  greeting(): Promise<ConnectPayload>;
}

const MOST_HOPS = 3;

export interface Found {
  connection: GatewayConnection;
  connected: ConnectedPayload;
  /** GOAWAYs that were followed, those before included. */
  hops: number;
}

/**
 * @param start where a GOAWAY has sent us; undefined: where the route says
 * @param hops GOAWAYs in a row up to now
 * @param openMs time for a gateway to accept the connection, ms
 * @throws CarillonError a refusal; UNAVAILABLE when no gateway answers, with the cause
 */
export async function findGateway(
  options: FindGatewayOptions,
  start: GatewayAddress | undefined,
  hops: number,
  signal: AbortSignal,
  openMs: number,
): Promise<Found> {
  let candidates = start === undefined ? await options.route() : [start];
  let failure: Error = new CarillonError("BUSY", "no gateway is known");
  for (let index = 0; index < candidates.length; ) {
    throwIfAborted(signal);
    const fallback = index > 0 || hops >= MOST_HOPS;
    const result = await tryGateway(options, candidates[index] as GatewayAddress, fallback, signal, openMs);
    if (result instanceof Error) {
      failure = result;
      index++;
    } else if ("connection" in result) {
      return { ...result, hops };
    } else {
      // Gateways that disagree for longer than that are left alone until the next try.
      if (++hops > MOST_HOPS + 1) throw new CarillonError("WRONG_GATEWAY", "the gateways disagree where to go");
      candidates = result.reconnectTo === undefined ? await options.route() : [result.reconnectTo];
      index = 0;
    }
  }
  throw failure;
}

/** @returns the Error when the gateway cannot be reached; refusals are thrown */
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
    const answer = await connection.open(fallback ? { ...payload, fallback } : payload);
    if ("sessionId" in answer && !signal.aborted) return { connection, connected: answer };
    connection.close(undefined, "sent elsewhere");
    return answer as { reconnectTo?: GatewayAddress };
  } catch (error) {
    connection.close(undefined, "not opened");
    const isUnanswered = error instanceof ConnectionLost || error instanceof NoAnswer;
    if (error instanceof CarillonError && !isUnanswered) throw error;
    // Silence after the connection was accepted: as good as not answering.
    return unreachable(error as Error);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function unreachable(cause: Error): CarillonError {
  return new CarillonError("UNAVAILABLE", cause.message, { cause });
}
