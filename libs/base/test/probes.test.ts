import { createMetrics, serveProbes } from "@carillon/base/node";

test("health, readiness and metrics are answered, and nothing else", async () => {
  const ready = { nats: true, delivery: true };
  const probes = await serveProbes(
    {
      registry: createMetrics("worker", "worker-1"),
      checks: { nats: () => ready.nats, delivery: () => ready.delivery },
      metricsToken: undefined,
    },
    { host: "127.0.0.1", port: 0 },
  );
  const get = async (path: string, method = "GET") => {
    const answer = await fetch(`${probes.http}${path}`, { method });
    return { status: answer.status, text: await answer.text() };
  };
  expect(await get("/healthz")).toEqual({ status: 200, text: '{"status":"ok"}' });
  expect((await get("/readyz?verbose")).status).toBe(200);
  ready.delivery = false;
  const { status, text } = await get("/readyz");
  expect([status, JSON.parse(text)]).toEqual([503, { status: "not ready", checks: { nats: true, delivery: false } }]);
  expect((await get("/metrics")).text).toContain('node="worker-1"');
  expect((await get("/")).status).toBe(404);
  expect((await get("/healthz", "POST")).status).toBe(405);
  await probes.close();
  await expect(get("/healthz")).rejects.toThrow();
});

test("metrics are for who shows the token, where there is one; health is for everybody", async () => {
  const token = "a-token-of-these-tests";
  const probes = await serveProbes(
    { registry: createMetrics("worker", "worker-1"), checks: {}, metricsToken: token },
    { host: "127.0.0.1", port: 0 },
  );
  const statusOf = async (path: string, authorization?: string) =>
    (await fetch(`${probes.http}${path}`, { headers: authorization === undefined ? {} : { authorization } })).status;
  for (const wrong of [undefined, "", token, `Bearer ${token}x`, "Bearer ", `Basic ${token}`]) {
    expect([wrong, await statusOf("/metrics", wrong)]).toEqual([wrong, 401]);
  }
  expect(await statusOf("/metrics", `Bearer ${token}`)).toBe(200);
  for (const path of ["/healthz", "/readyz"]) expect(await statusOf(path)).toBe(200);
  await probes.close();
});
