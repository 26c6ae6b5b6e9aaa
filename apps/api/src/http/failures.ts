/** Every failure leaves as {code, name, message, retryAfterMs?} with the status of the error table. */
import type { Socket } from "node:net";
import type { Logger } from "@carillon/base/node";
import { NotReached, WrongUse } from "@carillon/operations";
import { busy, CarillonError, httpStatusOf } from "@carillon/protocol";
import { busyStore } from "@carillon/store";
import type { FastifyError, FastifyInstance, FastifyReply } from "fastify";

/** Faults that Fastify finds before a route runs, and what they are in our table. */
const FRAMEWORK = new Map<string, [name: "BAD_PAYLOAD" | "FRAME_TOO_LARGE" | "NOT_FOUND", message: string]>([
  ["FST_ERR_CTP_BODY_TOO_LARGE", ["FRAME_TOO_LARGE", "the body is too large"]],
  ["FST_ERR_CTP_INVALID_JSON_BODY", ["BAD_PAYLOAD", "the body is not JSON"]],
  ["FST_ERR_CTP_EMPTY_JSON_BODY", ["BAD_PAYLOAD", "the body is empty"]],
  ["FST_ERR_CTP_INVALID_MEDIA_TYPE", ["BAD_PAYLOAD", "the body must be application/json"]],
  ["FST_ERR_CTP_INVALID_CONTENT_LENGTH", ["BAD_PAYLOAD", "the body is not as long as it says"]],
  ["FST_ERR_BAD_URL", ["NOT_FOUND", "there is nothing at this address"]],
  ["FST_ERR_MAX_PARAM_LENGTH", ["NOT_FOUND", "there is nothing at this address"]],
  ["FST_ERR_ASYNC_CONSTRAINT", ["NOT_FOUND", "there is nothing at this address"]],
]);

/** The log names the address, so that operators can trace an attack. */
const REFUSALS = new Set<string>([
  "NOT_AUTHENTICATED",
  "TOKEN_EXPIRED",
  "TOKEN_REVOKED",
  "USER_DISABLED",
  "FORBIDDEN",
  "RATE_LIMITED",
]);

/** Makes the server answer all its failures by the table. */
export function answerFailures(server: FastifyInstance, logger: Logger): void {
  server.setErrorHandler((error: FastifyError, request, reply) => {
    const known = toCarillonError(error);
    const { url } = request.routeOptions;
    if (known.name === "INTERNAL") logger.error({ err: error, url }, "a request failed");
    if (REFUSALS.has(known.name)) logger.info({ address: request.ip, url, error: known.name }, "a request was refused");
    return sendError(reply, known);
  });
  server.setNotFoundHandler((_, reply) => sendError(reply, new CarillonError("NOT_FOUND")));
}

export function toCarillonError(error: unknown): CarillonError {
  if (error instanceof CarillonError) return error;
  if (error instanceof WrongUse) return new CarillonError("BAD_PAYLOAD", error.message);
  const storeIsAway = busyStore(error);
  if (storeIsAway !== undefined) return storeIsAway;
  if (error instanceof NotReached) return busy();
  const { code, statusCode } = error as FastifyError;
  const framework = FRAMEWORK.get(code);
  if (framework !== undefined) return new CarillonError(...framework);
  // JSON.parse throws a SyntaxError, to which Fastify gives a status.
  if (statusCode !== undefined && statusCode < 500) return new CarillonError("BAD_PAYLOAD", (error as Error).message);
  return new CarillonError("INTERNAL");
}

export function sendError(reply: FastifyReply, error: CarillonError): FastifyReply {
  const { retryAfterMs } = error;
  if (retryAfterMs !== undefined) reply.header("retry-after", Math.ceil(retryAfterMs / 1_000));
  return reply
    .code(httpStatusOf(error))
    .type("application/json; charset=utf-8")
    .send(JSON.stringify(error.toPayload()));
}

/** Answers by hand a message that is not even HTTP, or has too many headers. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  const known =
    error.code === "HPE_HEADER_OVERFLOW"
      ? new CarillonError("FRAME_TOO_LARGE", "the headers are too large")
      : new CarillonError("BAD_FRAME", "this is not HTTP");
  const body = JSON.stringify(known.toPayload());
  const head = [
    `HTTP/1.1 ${httpStatusOf(known)} ${known.name}`,
    "content-type: application/json; charset=utf-8",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}
