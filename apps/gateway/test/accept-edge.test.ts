/** What stands between a stranger and a gateway: TLS, the PROXY protocol, and the origins of pages. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect as connectPlain, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { connect as connectSecurely, type TLSSocket } from "node:tls";
import { Certificate, silentLogger } from "@carillon/base/node";
import { makeCertificates } from "@carillon/local";
import { Command, encodeFrame } from "@carillon/protocol";
import { RawClient, until } from "@carillon/testkit";
import { WebSocket } from "ws";
import { TestListeners } from "./fixtures/listeners";

let directory: string;
let ca: string;
let certificate: Certificate;
let secure: TestListeners;
let plain: TestListeners;
const TLS = { certFile: "-", keyFile: "-" };

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), "carillon-edge-"));
  const { caFile, certFile, keyFile } = await makeCertificates(path.join(directory, "one"));
  ca = readFileSync(caFile, "utf8");
  certificate = new Certificate("tls", { certFile, keyFile }, silentLogger());
  secure = await TestListeners.open({ certificate, settings: { tls: TLS } });
  plain = await TestListeners.open();
});
afterAll(async () => {
  await Promise.all([secure.close(), plain.close()]);
  certificate.stop();
  rmSync(directory, { recursive: true });
});

const transports = ["tcp", "ws", "json"] as const;
const portOf = (address: string) => Number(new URL(address.replace(/^(?!\w+:\/\/)/, "tcp://")).port);

async function answers(client: RawClient): Promise<void> {
  expect((await client.request(Command.PING)).command).toBe(Command.PONG);
}

/** Resolves with all bytes that came before the other side closed. */
function untilClosed(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk)).on("error", () => {});
  return new Promise((resolve) => socket.once("close", () => resolve(Buffer.concat(chunks))));
}

describe("TLS", () => {
  test("clients are told addresses with TLS", () => {
    expect(secure.tcp).toMatch(/^tls:\/\/127\.0\.0\.1:\d+$/);
    expect(secure.ws).toMatch(/^wss:\/\/127\.0\.0\.1:\d+\/ws$/);
  });

  test.each(transports)(
    "a client over %s is served, and one without the authority does not connect",
    async (transport) => {
      const client = await RawClient.open(transport, secure, ca);
      await answers(client);
      expect(secure.accepted.at(-1)!.remote).toMatch(/^127\.0\.0\.1:\d+$/);
      client.destroy();
      await expect(RawClient.open(transport, secure, "")).rejects.toThrow(/certificate|issuer/);
    },
  );

  test("TLS 1.1 and plain frames are refused; others are served on", async () => {
    const port = portOf(secure.tcp);
    const old = connectSecurely({ port, host: "127.0.0.1", ca, minVersion: "TLSv1.1", maxVersion: "TLSv1.1" });
    await untilClosed(old);
    const frames = connectPlain({ port, host: "127.0.0.1" });
    frames.write(encodeFrame(Command.PING, 1, {}));
    await untilClosed(frames);
    await answers(await RawClient.open("tcp", secure, ca));
  });

  test("a client that begins no handshake is cut off", async () => {
    for (const address of [secure.tcp, secure.ws]) {
      await untilClosed(connectPlain({ port: portOf(address), host: "127.0.0.1" }));
    }
  });

  test("a new certificate serves new connections, and open connections stay", async () => {
    const next = await makeCertificates(path.join(directory, "two"));
    const files = { certFile: path.join(directory, "cert.pem"), keyFile: path.join(directory, "key.pem") };
    const install = (from: string) => {
      copyFileSync(path.join(directory, from, "server.pem"), files.certFile);
      copyFileSync(path.join(directory, from, "server-key.pem"), files.keyFile);
    };
    install("one");
    const renewed = new Certificate("tls", files, silentLogger());
    const listeners = await TestListeners.open({ certificate: renewed, settings: { tls: TLS } });
    const before = await Promise.all(transports.map((transport) => RawClient.open(transport, listeners, ca)));
    // A certificate without its key is no certificate: the one in use stays.
    copyFileSync(path.join(directory, "two", "server.pem"), files.certFile);
    process.emit("SIGHUP");
    const still = await RawClient.open("tcp", listeners, ca);
    install("two");
    process.emit("SIGHUP");
    const nextCa = readFileSync(next.caFile, "utf8");
    for (const transport of ["tcp", "ws"] as const) {
      await answers(await RawClient.open(transport, listeners, nextCa));
      await expect(RawClient.open(transport, listeners, ca)).rejects.toThrow(/certificate|signature/);
    }
    for (const client of [...before, still]) await answers(client);
    await listeners.close();
    renewed.stop();
  });

  test("with an authority of clients, each client must show a certificate", async () => {
    const { caFile, certFile, keyFile } = await makeCertificates(path.join(directory, "one"));
    const mutual = new Certificate("tls", { certFile, keyFile, caFile }, silentLogger());
    const listeners = await TestListeners.open({ certificate: mutual, settings: { tls: TLS } });
    const open = (more: object) =>
      connectSecurely({ port: portOf(listeners.tcp), host: "127.0.0.1", ca, ...more }) as TLSSocket;
    expect((await untilClosed(open({}))).length).toBe(0);
    const shown = open({ cert: readFileSync(certFile), key: readFileSync(keyFile) });
    shown.write(encodeFrame(Command.PING, 1, {}));
    await new Promise((resolve) => shown.once("data", resolve));
    shown.destroy();
    await listeners.close();
    mutual.stop();
  });
});

describe("the PROXY protocol", () => {
  const fromProxy = (address: string, localAddress = "127.0.0.5") =>
    connectPlain({ port: portOf(address), host: "127.0.0.1", localAddress });
  const header = (client: string) => `PROXY TCP4 ${client} 127.0.0.1 4711 443\r\n`;
  const ping = encodeFrame(Command.PING, 1, {});
  const firstBytes = (socket: Socket) => new Promise<Buffer>((resolve) => socket.once("data", resolve));
  let behind: TestListeners;

  beforeAll(async () => {
    behind = await TestListeners.open({ settings: { proxyProtocol: true } });
  });
  afterAll(() => behind.close());
  beforeEach(() => {
    behind.accepted.length = 0;
    behind.refused.length = 0;
  });

  test("the client's address is known over TCP, however the bytes are cut", async () => {
    const bytes = Buffer.concat([Buffer.from(header("192.0.2.1")), ping]);
    for (const cut of [0, 1, 20, header("192.0.2.1").length, bytes.length - 1]) {
      const socket = fromProxy(behind.tcp);
      socket.write(bytes.subarray(0, cut));
      await new Promise((resolve) => setTimeout(resolve, 20));
      socket.write(bytes.subarray(cut));
      expect((await firstBytes(socket)).length).toBeGreaterThan(12);
      expect(behind.accepted.at(-1)!.remote).toBe("192.0.2.1:4711");
      socket.destroy();
    }
  });

  test("the client's address is known over WebSocket, and X-Forwarded-For changes nothing", async () => {
    const socket = fromProxy(behind.ws);
    const client = new WebSocket(behind.ws, "carillon.v1", {
      headers: { "x-forwarded-for": "198.51.100.9" },
      createConnection: () => {
        socket.write(header("192.0.2.2"));
        return socket;
      },
    });
    await new Promise((resolve, reject) => client.once("open", resolve).once("error", reject));
    expect(behind.accepted.at(-1)!.remote).toBe("192.0.2.2:4711");
    client.terminate();
  });

  test("places are counted by the client's address", async () => {
    const sockets = Array.from({ length: 4 }, () => fromProxy(behind.tcp));
    const closed = untilClosed(sockets[3]!);
    for (const socket of sockets) {
      socket.write(header("192.0.2.3"));
      if (socket !== sockets[3]) await until("it is accepted", () => behind.accepted.length > sockets.indexOf(socket));
    }
    await closed;
    expect(behind.refused).toEqual(["address"]);
    for (const socket of sockets) socket.destroy();
  });

  test.each([
    ["a proxy that is not trusted", "127.0.0.6", header("192.0.2.4")],
    ["no header", "127.0.0.5", ping],
    ["half a header", "127.0.0.5", "PROXY TCP4 192.0"],
    ["nothing", "127.0.0.5", ""],
  ])("a connection with %s is closed without an answer", async (_name, from, bytes) => {
    for (const address of [behind.tcp, behind.ws]) {
      const socket = fromProxy(address, from);
      socket.write(bytes);
      expect((await untilClosed(socket)).length).toBe(0);
    }
    expect(behind.accepted).toEqual([]);
  });

  test("the header stands before the handshake of TLS", async () => {
    const both = await TestListeners.open({ certificate, settings: { tls: TLS, proxyProtocol: true } });
    for (const cut of [false, true]) {
      const socket = fromProxy(both.tcp);
      await new Promise((resolve) => socket.once("connect", resolve));
      socket.write(header("192.0.2.5"));
      // The first bytes of the handshake arrive with the header, or later.
      if (cut) await new Promise((resolve) => setTimeout(resolve, 50));
      const client = connectSecurely({ socket, ca, host: "127.0.0.1" });
      client.write(ping);
      await firstBytes(client);
      expect(both.accepted.at(-1)!.remote).toBe("192.0.2.5:4711");
      client.destroy();
    }
    await both.close();
  });
});

describe("origins", () => {
  const open = (ws: string, origin?: string) =>
    new Promise<number>((resolve) => {
      const client = new WebSocket(ws, "carillon.v1", origin === undefined ? {} : { origin });
      client.on("open", () => {
        resolve(101);
        client.terminate();
      });
      client.on("unexpected-response", (_, { statusCode = 0 }) => resolve(statusCode));
      client.on("error", () => {});
    });

  test("without a list, pages of the same host and of this machine may connect, and clients without a page", async () => {
    for (const origin of [undefined, "http://127.0.0.1:5173", "https://127.0.0.1", "http://localhost:8080"]) {
      expect([origin, await open(plain.ws, origin)]).toEqual([origin, 101]);
    }
    for (const origin of ["https://evil.example", "null", "http://127.0.0.1.evil.example"]) {
      expect([origin, await open(plain.ws, origin)]).toEqual([origin, 403]);
    }
  });

  test("with a list, its pages may connect and no others", async () => {
    const origins = ["https://app.example.org", "https://*.example.com:8443"];
    const listeners = await TestListeners.open({ origins });
    for (const origin of [undefined, "https://app.example.org", "https://a.b.example.com:8443"]) {
      expect([origin, await open(listeners.ws, origin)]).toEqual([origin, 101]);
    }
    for (const origin of [
      "http://app.example.org",
      "https://app.example.org:444",
      "https://xexample.com:8443",
      "null",
    ]) {
      expect([origin, await open(listeners.ws, origin)]).toEqual([origin, 403]);
    }
    await listeners.close();
    const every = await TestListeners.open({ origins: ["*"] });
    expect(await open(every.ws, "https://evil.example")).toBe(101);
    await every.close();
    await expect(TestListeners.open({ origins: ["app.example.org"] })).rejects.toThrow(
      "gateway.origins: app.example.org",
    );
  });
});
