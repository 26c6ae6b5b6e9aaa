/** Reports for operators: nodes, partitions, the way of a message, the audit of a conversation. */
import {
  auditOne,
  Findings,
  findMessage,
  followMessage,
  listNodes,
  listPartitions,
  parseMessageName,
} from "@carillon/operations";
import { CarillonError, isConversationId } from "@carillon/protocol";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import type { ApiParts } from "../../parts";
import * as shapes from "./operation-shapes";

const TAGS = ["admin"];
const access = { scope: "operations" } as const;

export function operationRoutes(server: FastifyInstance, { cluster }: ApiParts): void {
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.get(
    "/v1/admin/nodes",
    {
      config: { access, errors: [] },
      schema: {
        summary: "List the nodes, with the state that each reports",
        tags: TAGS,
        response: { 200: shapes.nodes },
      },
    },
    async () => ({ items: await listNodes(cluster) }),
  );

  routes.get(
    "/v1/admin/partitions",
    {
      config: { access, errors: [] },
      schema: {
        summary: "List owner, queue, log and archive of each partition",
        tags: TAGS,
        response: { 200: shapes.partitions },
      },
    },
    async () => ({ items: await listPartitions(cluster) }),
  );

  routes.get(
    "/v1/admin/trace",
    {
      config: { access, errors: ["NO_SUCH_MESSAGE"] },
      schema: {
        summary: "Trace a message: where it is stored, and who has received it",
        description:
          "Name it by messageId, clientMsgId or `conversationId#seq`. The api looks for a clientMsgId in the week after the client created it.",
        tags: TAGS,
        querystring: shapes.traceQuery,
        response: { 200: shapes.trace },
      },
    },
    async (request) => {
      const found = await findMessage(cluster, parseMessageName(request.query.message));
      if (found === undefined) throw new CarillonError("NO_SUCH_MESSAGE", "neither the archive nor a log has it");
      return followMessage(cluster, found);
    },
  );

  routes.get(
    "/v1/admin/audit",
    {
      config: { access, errors: ["NO_SUCH_CONVERSATION"] },
      schema: {
        summary: "Check that log, archive, inboxes and queue agree on a conversation",
        description: "The check only reads. An audit of all conversations takes minutes: use `carillon audit`.",
        tags: TAGS,
        querystring: shapes.auditQuery,
        response: { 200: shapes.audit },
      },
    },
    async (request) => {
      const { conversationId } = request.query;
      if (!isConversationId(conversationId)) throw new CarillonError("BAD_PAYLOAD", "conversationId: not one");
      const findings = new Findings(() => {});
      if (!(await auditOne(cluster, findings, conversationId))) throw new CarillonError("NO_SUCH_CONVERSATION");
      return findings.document;
    },
  );
}
