/** Workers and gateways die, and stores are away for a while: no message is lost. */
import { sleep, uuidv7 } from "@carillon/base";
import { Command } from "@carillon/protocol";
import { type Person, RawClient, startTestCluster, type TestCluster, until } from "@carillon/testkit";

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startTestCluster({ counts: { gateway: 2, worker: 2, archiver: 2, api: 1 } });
}, 300_000);
afterAll(() => cluster?.stop(), 60_000);

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** A sender that repeats messages without an answer, as every client must; each message has one id. */
class Sender {
  private client: RawClient | undefined;
  readonly seqs: number[] = [];

  constructor(
    private readonly from: Person,
    private readonly to: Person,
  ) {}

  async send(content: string): Promise<void> {
    const payload = { clientMsgId: uuidv7(Date.now()), to: `u:${this.to.userId}`, contentType: "text", content };
    const deadline = Date.now() + 60_000;
    while (Date.now() < deadline) {
      try {
        this.client ??= await cluster.online(this.from, "tcp");
        const { client } = this;
        const requestId = client.send(Command.SEND, payload);
        const answer = await Promise.race([
          client.next("the answer", (frame) => frame.requestId === requestId),
          new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 2_000)),
        ]);
        if (answer?.command === Command.SENT) {
          this.seqs.push(answer.payload.seq);
          return;
        }
      } catch {
        this.client = undefined;
      }
      if (this.client?.isClosed) this.client = undefined;
      await sleep(100);
    }
    throw new Error(`"${content}" was never acknowledged`);
  }

  close(): void {
    this.client?.close();
  }
}

/** The events of a device that always comes back with its cursor. */
class Listener {
  readonly contents: string[] = [];
  private cursor: { epoch: string; seq: number } | undefined;
  private running = true;

  constructor(private readonly person: Person) {
    void this.run();
  }

  /** Its first connection is open: from here on it misses nothing. */
  async ready(): Promise<void> {
    await until("the listener is connected", () => this.cursor);
  }

  private async run(): Promise<void> {
    while (this.running) {
      const client = await cluster
        .online(this.person, "ws", this.cursor === undefined ? {} : { inbox: this.cursor })
        .catch(() => undefined);
      if (client === undefined) {
        await sleep(200);
        continue;
      }
      this.cursor ??= client.frames[0]!.payload.inbox;
      let taken = 0;
      while (this.running && !client.isClosed) {
        for (const { inboxSeq, event } of client.events.slice(taken)) {
          taken++;
          expect(inboxSeq).toBe(this.cursor!.seq + 1);
          this.cursor!.seq = inboxSeq;
          this.contents.push(event["content"] as string);
          client.send(Command.RECEIVED, { epoch: this.cursor!.epoch, inboxSeq });
        }
        await sleep(20);
      }
      client.close();
    }
  }

  async has(count: number): Promise<string[]> {
    await until(`${count} messages`, () => this.contents.length >= count);
    return this.contents;
  }

  stop(): void {
    this.running = false;
  }
}

async function chatWhile(disturb: () => Promise<void>, messages = 60): Promise<void> {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [sender, listener] = [new Sender(alice, bob), new Listener(bob)];
  try {
    await listener.ready();
    await sender.send("1");
    let disturbed = false;
    const disturbance = disturb().finally(() => {
      disturbed = true;
    });
    let sent = 1;
    while (sent < messages || !disturbed) await sender.send(`${++sent}`);
    await disturbance;
    expect(sender.seqs).toEqual(numbers(1, sent));
    expect(await listener.has(sent)).toEqual(numbers(1, sent).map(String));
  } finally {
    listener.stop();
    sender.close();
  }
}

const pidOf = (list: { nodeId: string; pid?: number | undefined }[], at: number) => list[at]!.pid!;

test("both workers are killed, one after the other: their partitions continue", async () => {
  await chatWhile(async () => {
    for (const at of [0, 1]) {
      process.kill(pidOf(cluster.info().workers, at), "SIGKILL");
      await sleep(5_000);
    }
  });
}, 180_000);

test("a worker that was paused for longer than its lease changes nothing when it wakes up", async () => {
  await chatWhile(async () => {
    const pid = pidOf(cluster.info().workers, 0);
    process.kill(pid, "SIGSTOP");
    await sleep(14_000);
    process.kill(pid, "SIGCONT");
    await sleep(3_000);
  });
}, 180_000);

test("a gateway is killed: its clients continue at the other one", async () => {
  await chatWhile(async () => {
    process.kill(pidOf(cluster.info().gateways, 0), "SIGKILL");
    await sleep(3_000);
    process.kill(pidOf(cluster.info().gateways, 1), "SIGKILL");
    await sleep(3_000);
  });
}, 180_000);

/** A device whose own gateway is stopped has sent CONNECT to it all the same, and has then opened a session at the other one. */
async function moveFromStopped() {
  const person = await cluster.person("carol");
  const { token, deviceId } = person;
  const [own, other] = await cluster.route(person);
  const pid = cluster.info().gateways.find(({ nodeId }) => nodeId === own!.gatewayId)!.pid!;
  process.kill(pid, "SIGSTOP");
  // The kernel accepts the connection, and keeps the frame for the process.
  const late = await RawClient.open("tcp", own!);
  const requestId = late.send(Command.CONNECT, { token, deviceId, platform: "other" });
  const client = await RawClient.open("tcp", other!);
  await client.connect({ token, deviceId, fallback: true });
  const resume = () => process.kill(pid, "SIGCONT");
  /** Fails when the session is not open any more after the gateway has processed what waited for it. */
  const isOpen = async () => {
    const witness = await cluster.person("dave");
    const next = await RawClient.open("tcp", own!);
    const payload = { token: witness.token, deviceId: witness.deviceId, platform: "other", fallback: true };
    const isConnected = async () => (await next.request(Command.CONNECT, payload)).command !== Command.ERROR;
    await until("the gateway opens sessions again", isConnected);
    next.close();
    expect((await client.request(Command.PING)).command).toBe(Command.PONG);
    client.close();
  };
  return { person, own: own!, late, requestId, resume, isOpen };
}

test("a gateway that stood still does not open a session for a client that has left: its next session stays", async () => {
  const { late, resume, isOpen } = await moveFromStopped();
  late.close();
  await until("FIN is sent", () => late.socket.writableFinished);
  resume();
  await isOpen();
}, 60_000);

test("a gateway that has lost its lease opens no session before it has it back", async () => {
  const { person, own, late, requestId, resume, isOpen } = await moveFromStopped();
  const isGone = async () => (await cluster.route(person)).every(({ gatewayId }) => gatewayId !== own.gatewayId);
  await until("the gateway has left the ring", isGone, 100_000);
  resume();
  const answer = await late.next("the answer", (frame) => frame.requestId === requestId);
  expect(answer).toMatchObject({ command: Command.ERROR, payload: { name: "BUSY" } });
  await isOpen();
  late.close();
}, 180_000);

test("an archiver is killed: every message is archived once", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const sender = new Sender(alice, bob);
  for (let i = 1; i <= 40; i++) {
    await sender.send(`${i}`);
    if (i % 10 !== 0) continue;
    // Whichever is running: the one killed before may not be back yet.
    process.kill(pidOf(cluster.info().archivers, 0), "SIGKILL");
    await sleep(1_500);
  }
  const conversationId = [alice.userId, bob.userId].sort().reduce((id, user) => `${id}:${user}`, "p");
  const deadline = Date.now() + 60_000;
  let answer = { status: 0, body: { messages: [] as { seq: number }[] } };
  while (answer.body.messages?.length !== 40 && Date.now() < deadline) {
    await sleep(200);
    answer = await cluster.http("GET", `/v1/conversations/${conversationId}/messages`, { token: alice.token });
  }
  expect(answer.body.messages.map(({ seq }) => seq)).toEqual(numbers(1, 40));
  sender.close();
}, 180_000);

test("MySQL is away: a running conversation continues", async () => {
  await chatWhile(async () => {
    await sleep(500);
    await cluster.running.servers.mysql!.pause();
    await sleep(4_000);
    await cluster.running.servers.mysql!.resume();
  });
}, 180_000);

test("Redis is away: messages are accepted, and delivered when it is back", async () => {
  await chatWhile(async () => {
    await sleep(500);
    await cluster.running.servers.redis!.pause();
    await sleep(2_000);
    await cluster.running.servers.redis!.resume();
    await sleep(1_000);
  });
}, 180_000);

test("NATS is restarted: nothing acknowledged is lost, nothing is numbered twice", async () => {
  await chatWhile(async () => {
    await sleep(500);
    process.kill(cluster.info().nats[0]!.pid!, "SIGKILL");
    await sleep(6_000);
  });
}, 180_000);

test("a gateway is drained: its clients are told where to go, new ones are sent there", async () => {
  const person = await cluster.person("alice");
  const client = await cluster.online(person, "ws");
  const gatewayId = client.frames[0]!.payload.gatewayId as string;
  const stopped = cluster.running.stopNode(gatewayId);
  const goaway = await client.nextOf(Command.GOAWAY);
  expect(goaway.payload.reconnectTo.gatewayId).not.toBe(gatewayId);
  const next = await RawClient.open("ws", goaway.payload.reconnectTo);
  await next.connect({ token: person.token, deviceId: person.deviceId });
  expect(await client.closed()).toBeGreaterThanOrEqual(4000);
  await stopped;
  await cluster.running.startNode(gatewayId);
  next.close();
}, 180_000);
