import { connect } from "node:net";
import { connect as connectSecurely } from "node:tls";

/**
 * Connects to a loopback port, sends `request` if there is one, and passes the first bytes of the answer to `accept`.
 * Returns false when no answer arrives within a second.
 * @param isSecure whether the server speaks TLS from the first byte
 */
export function probeTcp(
  port: number,
  request: string | undefined,
  accept: (answer: Buffer) => boolean,
  isSecure = false,
): Promise<boolean> {
  const place = { port, host: "127.0.0.1" };
  return new Promise((resolve) => {
    // It is our own server on this machine; whether its certificate is good is for clients to judge.
    const socket = isSecure ? connectSecurely({ ...place, rejectUnauthorized: false }) : connect(place);
    let answer = Buffer.alloc(0);
    const finish = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(1000, () => finish(false));
    socket.once("error", () => finish(false));
    socket.once("close", () => finish(false));
    socket.once(isSecure ? "secureConnect" : "connect", () => request !== undefined && socket.write(request));
    socket.on("data", (chunk) => {
      answer = Buffer.concat([answer, chunk]);
      if (accept(answer)) {
        finish(true);
      }
    });
  });
}

/** Whether an HTTP address answers with 200 within a second. */
export async function probeHttp(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1000) });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}
