/** A route that can change what belongs to others cannot be made without the name of its act. */
import { silentLogger } from "@carillon/base/node";
import fastify from "fastify";
import { readOpenApi } from "../src/document";
import { auditRoutes } from "../src/http/audit";

const nothingBehind = { auditLog: {}, clock: {}, logger: silentLogger() } as never;

test.each([
  ["POST", "/v1/admin/anything"],
  ["DELETE", "/v1/admin/users/:userId/anything"],
  ["PATCH", "/v1/groups/:groupId/anything"],
])("%s %s needs the name of an act", (method, url) => {
  const server = fastify();
  auditRoutes(server, nothingBehind);
  const route = { method, url, handler: async () => {} };
  expect(() => server.route(route)).toThrow(`${method} ${url} does not name its act`);
  expect(() => server.route({ ...route, config: { audit: "admin.anything" } })).not.toThrow();
});

test.each([
  ["GET", "/v1/admin/anything"],
  ["POST", "/v1/group-requests/:groupId"],
  ["DELETE", "/v1/friends/:userId"],
])("%s %s needs none", (method, url) => {
  const server = fastify();
  auditRoutes(server, nothingBehind);
  expect(() => server.route({ method, url, handler: async () => {} })).not.toThrow();
});

test("these are all acts", async () => {
  const { paths } = await readOpenApi();
  const routes = Object.values(paths).flatMap((methods) => Object.values(methods));
  const acts = routes.flatMap(({ description = "" }) => /Audit log: `(.*)`\.$/m.exec(description)?.[1] ?? []);
  expect(acts.sort()).toEqual([
    "admin.broadcast",
    ...["change", "create", "dissolve"].map((name) => `admin.group.${name}`),
    ...["add", "change", "remove"].map((name) => `admin.group.member.${name}`),
    ...["read", "transfer"].map((name) => `admin.group.${name}`),
    ...["create", "revoke"].map((name) => `admin.key.${name}`),
    "admin.message.recall",
    ...["create", "delete", "disable", "enable", "kick", "log-in", "mute", "rename", "unlock"].map(
      (name) => `admin.user.${name}`,
    ),
    ...["ban.lift", "change", "create", "dissolve"].map((name) => `group.${name}`),
    ...["member.add", "member.change", "member.remove"].map((name) => `group.${name}`),
    ...["request.accept", "request.reject", "transfer"].map((name) => `group.${name}`),
  ]);
});
