import { connect, createServer, type Server, type Socket } from "node:net";
import { TcpProxy, until } from "../src";

/** Answers everything with the same bytes. */
let echo: Server;
let proxy: TcpProxy;
const sockets: Socket[] = [];

beforeEach(async () => {
  echo = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {}).pipe(socket);
  });
  await new Promise<void>((resolve) => echo.listen({ host: "127.0.0.1", port: 0 }, resolve));
  proxy = await TcpProxy.open({ host: "127.0.0.1", port: (echo.address() as { port: number }).port });
});

afterEach(async () => {
  await proxy.close();
  for (const socket of sockets.splice(0)) socket.destroy();
  await new Promise((resolve) => echo.close(resolve));
});

function open(): { socket: Socket; text: () => string; closed: () => boolean } {
  const socket = connect({ host: "127.0.0.1", port: proxy.port });
  sockets.push(socket);
  let text = "";
  let closed = false;
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    text += chunk;
  });
  socket.on("close", () => {
    closed = true;
  });
  return { socket, text: () => text, closed: () => closed };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("a whole link passes all bytes on, and the end", async () => {
  const client = open();
  client.socket.end("hello");
  await until("the echo", () => client.text() === "hello" && client.closed());
});

test.each(["both", "to-server", "to-client"] as const)(
  "silent %s: what was sent comes when the link heals",
  async (direction) => {
    const client = open();
    client.socket.write("a");
    await until("the first echo", () => client.text() === "a");
    proxy.silence(direction);
    client.socket.write("b");
    await pause(100);
    expect(client.text()).toBe("a");
    expect(client.closed()).toBe(false);
    proxy.heal();
    await until("the rest", () => client.text() === "ab");
  },
);

test("a cut link resets and refuses connections, and accepts them again when it heals", async () => {
  const client = open();
  client.socket.write("a");
  await until("the echo", () => client.text() === "a");
  proxy.cut();
  await until("the reset", () => client.closed());
  const refused = open();
  await until("the refusal", () => refused.closed());
  expect(proxy.connections).toBe(0);
  proxy.heal();
  const again = open();
  again.socket.write("c");
  await until("the echo", () => again.text() === "c");
});

test("a slow link passes all bytes on later, in order", async () => {
  const client = open();
  client.socket.write("a");
  await until("the echo", () => client.text() === "a");
  proxy.delay(50);
  const sentAt = performance.now();
  for (const letter of "bcd") client.socket.write(letter);
  await until("the echo", () => client.text() === "abcd");
  expect(performance.now() - sentAt).toBeGreaterThanOrEqual(90);
});
