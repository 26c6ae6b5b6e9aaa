import type { FastifyReply } from "fastify";

/**
 * Answers a change that other nodes have to confirm: 204 when all have, or 202.
 * @param late nodes that have not
 */
export function confirmed(reply: FastifyReply, late: string[]): FastifyReply {
  return late.length === 0 ? reply.code(204).send() : reply.code(202).send({ unconfirmed: late });
}
