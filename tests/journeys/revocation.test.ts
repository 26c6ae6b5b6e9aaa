/** A device that is logged out is closed everywhere, also by a gateway that the order did not reach. */
import { CloseCode, Command } from "@carillon/protocol";
import { type LinkedCluster, type Person, type RawClient, startLinkedCluster, until } from "@carillon/testkit";
import { createConnection } from "mysql2/promise";

let cluster: LinkedCluster;
beforeAll(async () => {
  cluster = await startLinkedCluster("gateway-", { counts: { gateway: 1, worker: 1, archiver: 1, api: 1 } });
}, 300_000);
afterAll(() => cluster?.stop(), 60_000);

async function twoDevices(): Promise<{ phone: Person; laptop: Person; lost: RawClient; kept: RawClient }> {
  const phone = await cluster.person("alice");
  const laptop = await cluster.device(phone, "laptop");
  return { phone, laptop, lost: await cluster.online(phone, "ws"), kept: await cluster.online(laptop, "tcp") };
}

const remove = ({ deviceId }: Person, { token }: Person) =>
  cluster.http("DELETE", `/v1/sessions/${deviceId}`, { token });

async function expectAlone(kept: RawClient, phone: Person): Promise<void> {
  expect((await kept.request(Command.PING)).command).toBe(Command.PONG);
  await expect(cluster.online(phone, "tcp")).rejects.toThrow("TOKEN_REVOKED");
}

test("the answer comes when the connections are closed; other devices stay, and the token is refused", async () => {
  const { phone, laptop, lost, kept } = await twoDevices();
  expect(await remove(phone, laptop)).toEqual({ status: 204, body: undefined });
  expect(await lost.closed()).toBe(CloseCode.TOKEN_REVOKED);
  expect(lost.frames.at(-1)).toMatchObject({ command: Command.KICKED, payload: { code: CloseCode.TOKEN_REVOKED } });
  await expectAlone(kept, phone);
});

test("a gateway that hangs is named, and closes the connection when it goes on", async () => {
  const { phone, laptop, lost, kept } = await twoDevices();
  const { nodeId, pid } = cluster.info().gateways[0]!;
  process.kill(pid, "SIGSTOP");
  const answer = await remove(phone, laptop).finally(() => process.kill(pid, "SIGCONT"));
  expect(answer).toEqual({ status: 202, body: { unconfirmed: [nodeId] } });
  expect(await lost.closed()).toBe(CloseCode.TOKEN_REVOKED);
  await expectAlone(kept, phone);
});

test("a gateway that was cut off from NATS looks after its sessions by itself; one with a newer log-in stays", async () => {
  const { phone, laptop, lost, kept } = await twoDevices();
  // The same device logs in again and shows the new token on the connection that it has.
  const again = await cluster.device(laptop, laptop.deviceId);
  expect((await kept.request(Command.TOKEN, { token: again.token })).command).toBe(Command.OK);
  const { nodeId } = cluster.info().gateways[0]!;
  cluster.link.cut();
  const answer = await remove(phone, again).finally(() => cluster.link.heal());
  expect(answer).toEqual({ status: 202, body: { unconfirmed: [nodeId] } });
  expect(await lost.closed()).toBe(CloseCode.TOKEN_REVOKED);
  await expectAlone(kept, phone);
});

test("an api that died before it gave the order: its successor's link makes the gateways look", async () => {
  const { phone, lost, kept } = await twoDevices();
  const sql = await createConnection(cluster.info().mysql.url);
  await sql.query("UPDATE devices SET revoked_at = 1 WHERE user_id = ? AND device_id = ?", [
    phone.userId,
    phone.deviceId,
  ]);
  await sql.end();
  const { pid } = cluster.info().apis[0]!;
  process.kill(pid, "SIGKILL");
  expect(await lost.closed()).toBe(CloseCode.TOKEN_REVOKED);
  await until(
    "the api is back",
    async () => (await cluster.http("GET", "/healthz").catch(() => undefined))?.status === 200,
  );
  await expectAlone(kept, phone);
});
