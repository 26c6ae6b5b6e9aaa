/** The OpenAPI page of a server that has nothing behind it: for docs/api.md, and for the test of what it says. */
import { silentLogger } from "@carillon/base/node";
import { type ApiContext, buildServer } from "./server";

/** What is looked at in an OpenAPI page. */
export interface OpenApiPage {
  paths: Record<string, Record<string, OpenApiRoute>>;
}

export interface OpenApiRoute {
  tags?: string[];
  summary?: string;
  description?: string;
  parameters?: { name: string; in: "path" | "query"; required?: boolean; schema: object }[];
  requestBody?: { content: Record<string, { schema: object; example?: unknown }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: object; example?: unknown }> }>;
}

/** What routes read when they are made; what serves requests is never called. */
const nothingBehind = { nodeId: "documentation", relationLimits: { friends: 0, blocks: 0 } };

export async function readOpenApi(): Promise<OpenApiPage> {
  const server = await buildServer(nothingBehind as unknown as ApiContext, {
    logger: silentLogger(),
    trustProxy: [],
    maxConnections: 1,
  });
  try {
    await server.ready();
    return server.swagger() as unknown as OpenApiPage;
  } finally {
    await server.close();
  }
}
