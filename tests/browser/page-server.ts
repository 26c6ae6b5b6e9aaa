/** Serves one page with the SDK, under the strictest policy that a page can have: no code from text, trusted types without a policy. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { buildSync } from "esbuild";

export interface PageServer {
  url: string;
  close(): Promise<void>;
}

/** @param connect addresses to which the page may connect, besides its own */
export async function servePage(connect: readonly string[]): Promise<PageServer> {
  const libs = path.join(__dirname, "../../libs");
  const { outputFiles } = buildSync({
    entryPoints: [path.join(__dirname, "page.ts")],
    ...{ bundle: true, write: false, format: "iife", target: "es2022", platform: "browser" },
    alias: {
      "@carillon/base": path.join(libs, "base/src/index.ts"),
      "@carillon/protocol": path.join(libs, "protocol/src/index.ts"),
      "@carillon/client": path.join(libs, "client/src/index.ts"),
      "@carillon/client/browser": path.join(libs, "client/src/browser.ts"),
      "@carillon/client/view": path.join(libs, "client/src/view-of.ts"),
    },
  });
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    `connect-src ${connect.join(" ")}`,
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
  const server: Server = createServer((request, response) => {
    response.setHeader("content-security-policy", policy);
    if (request.url === "/page.js") {
      response.setHeader("content-type", "text/javascript");
      return response.end(outputFiles[0]!.contents);
    }
    response.setHeader("content-type", "text/html");
    return response.end(`<!doctype html><title>chat</title><script src="/page.js"></script>`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, close };
}
