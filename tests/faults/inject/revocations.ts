/**
 * A device is logged out, by itself or by another device of its user, while it is online and receives events. The machine
 * records the time of the api's answer, the time at which the connection closed, later events, and the answer to the token.
 */
import { sleep, uuidv7 } from "@carillon/base";
import { Command } from "@carillon/protocol";
import { RawClient, type RevokedDevice, until } from "@carillon/testkit";
import { type Device, registerDevices } from "../load/people";
import type { Fault, Stage } from "./fault";

const WRITE_EVERY_MS = 50;
/** A device is online for this time, by its target, before it is revoked: 2 s at most. */
const ONLINE_MS_PER_TARGET = 2;
const RETRY_MS = 100;
const ANSWER_MS = 5_000;
/** Time within which late events would have come. */
const AFTERWARDS_MS = 1_000;

/** Errors of a repeated request. */
const VOID_ALREADY = ["TOKEN_REVOKED", "NOT_FOUND"];

interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: bodies have several shapes, and each is read at one place
  body: any;
}

/** @param by the revoking device: the device itself (log-out), or another device of its user */
export function revoke(by: "itself" | "another"): Fault {
  return { strike: (stage, target) => revokeOne(stage, target, by) };
}

async function revokeOne(stage: Stage, target: number, by: "itself" | "another") {
  const [lost, kept] = await registerDevices(stage.cluster.directory, ["lost", "kept"] as const);
  const transport = target % 2 === 0 ? "tcp" : "ws";
  const [victim, writer] = await Promise.all([online(stage, lost, transport), online(stage, kept, "tcp")]);
  const device = follow(victim, `${lost.userId}/${lost.deviceId}`);
  stage.load.history.revoked.push(device);
  const writing = setInterval(() => writeToOneself(writer, kept), WRITE_EVERY_MS);
  // A link that is cut meanwhile meets a session that is open.
  await sleep(ONLINE_MS_PER_TARGET * target);
  device.isConfirmed = await revokeDevice(stage, lost, by === "itself" ? lost : kept);
  device.answeredAt = performance.now();
  const heal = async () => {
    await until(`${device.name} is closed`, () => device.closedAt !== undefined).catch(() => {
      // The checker reports it.
    });
    await sleep(AFTERWARDS_MS);
    clearInterval(writing);
    device.reconnect = await reconnect(stage, lost, kept);
    // A connection that the machine closes itself was not closed by the gateway.
    for (const client of [victim, writer]) {
      client.listen(
        () => {},
        () => {},
      );
      client.destroy();
    }
  };
  return { on: device.name, at: device.answeredAt, heal };
}

/** Records from now on everything that a device receives. */
function follow(client: RawClient, name: string): RevokedDevice {
  const device: RevokedDevice = {
    name,
    answeredAt: Number.POSITIVE_INFINITY,
    isConfirmed: false,
    closedAt: undefined,
    events: [],
    reconnect: "not tried",
  };
  client.listen(
    ({ command, payload }) => {
      if (command !== Command.DELIVER) return;
      device.events.push(performance.now());
      // A device that acknowledges nothing would be closed for that.
      const last = payload.events.at(-1);
      if (last !== undefined) client.send(Command.RECEIVED, { epoch: payload.epoch, inboxSeq: last[0] }, 0);
    },
    () => {
      device.closedAt ??= performance.now();
    },
  );
  return device;
}

/**
 * Repeats a request without an answer. The tokens may be void by then, and the api says so.
 * @returns whether all gateways have confirmed that the connection is closed
 */
async function revokeDevice(stage: Stage, lost: Device, by: Device): Promise<boolean> {
  const where = by === lost ? "/v1/sessions/current" : `/v1/sessions/${lost.deviceId}`;
  const { status, body } = await call(stage, "DELETE", where, by.token);
  const isVoid = status === 204 || status === 202 || VOID_ALREADY.includes(body?.name);
  if (!isVoid) throw new Error(`${where} was answered by ${status} ${JSON.stringify(body)}`);
  return status === 204;
}

/** Calls the api until it answers: it may be dead at the moment. */
function call({ cluster }: Stage, method: string, where: string, token: string): Promise<Answer> {
  return until(`an answer to ${method} ${where}`, async () => {
    try {
      const answer = await fetch(`${cluster.info().api}${where}`, {
        method,
        signal: AbortSignal.timeout(ANSWER_MS),
        headers: { authorization: `Bearer ${token}` },
      });
      const text = await answer.text();
      if (answer.status < 500) return { status: answer.status, body: text === "" ? undefined : JSON.parse(text) };
    } catch {
      // No api runs.
    }
    await sleep(RETRY_MS);
    return undefined;
  });
}

/** A connection that is logged in; a gateway that is cut off answers later. */
function online(stage: Stage, device: Device, transport: "tcp" | "ws"): Promise<RawClient> {
  return until(`${device.deviceId} of ${device.userId} is online`, async () => {
    const { client, answer } = await greet(stage, device, device, transport);
    if (answer === "CONNECTED") return client;
    client?.destroy();
    await sleep(RETRY_MS);
    return undefined;
  });
}

/** Returns the answer to CONNECT with the old token, as soon as a gateway can give one. */
function reconnect(stage: Stage, lost: Device, kept: Device): Promise<string> {
  return until("an answer to the old token", async () => {
    const { client, answer } = await greet(stage, lost, kept, "tcp");
    client?.destroy();
    if (answer !== undefined && answer !== "BUSY" && answer !== "GOAWAY") return answer;
    await sleep(RETRY_MS);
    return undefined;
  });
}

/** @param router the account whose token asks for the route */
async function greet(
  stage: Stage,
  { token, deviceId }: Device,
  router: Device,
  transport: "tcp" | "ws",
): Promise<{ client?: RawClient; answer?: string }> {
  const { body } = await call(stage, "GET", "/v1/route", router.token);
  try {
    const client = await RawClient.open(transport, body.gateways[0]);
    const requestId = client.send(Command.CONNECT, { token, deviceId, platform: "other" });
    const { command, payload } = await client.until("an answer to CONNECT", () =>
      client.frames.find((frame) => frame.requestId === requestId),
    );
    if (command === Command.CONNECTED) return { client, answer: "CONNECTED" };
    return { client, answer: command === Command.GOAWAY ? "GOAWAY" : payload.name };
  } catch {
    return {};
  }
}

/** Sends into the user's conversation with themselves: every device of the user gets it. */
function writeToOneself(writer: RawClient, { userId }: Device): void {
  if (writer.isClosed) return;
  const clientMsgId = uuidv7(Date.now());
  writer.send(Command.SEND, { clientMsgId, to: `u:${userId}`, contentType: "text", content: "to all my devices" });
}
