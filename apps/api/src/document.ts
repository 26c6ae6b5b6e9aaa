/** The OpenAPI page, made by a server without stores: for docs/api.md, and for the test of that page. */
import { silentLogger } from "@carillon/base/node";
import type { ApiParts } from "./parts";
import { buildServer } from "./server";

/** The parts of an OpenAPI page that this repository reads. */
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

/** The parts that routes read when they are registered; no request is served. */
const nothingBehind = {
  config: { nodeId: "documentation", api: { trustProxy: [], maxConnections: 1 } },
  relationLimits: { friends: 0, blocks: 0 },
  logger: silentLogger(),
};

export async function readOpenApi(): Promise<OpenApiPage> {
  const server = await buildServer(nothingBehind as unknown as ApiParts, { wake: () => {} });
  try {
    await server.ready();
    return server.swagger() as unknown as OpenApiPage;
  } finally {
    await server.close();
  }
}
