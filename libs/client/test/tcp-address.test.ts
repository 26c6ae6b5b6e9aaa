/** Tests of the address to which the TCP transport connects. */
import { type AddressInfo, createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { tcpTransport } from "@carillon/client";

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));
const HOSTS = [["127.0.0.1", "127.0.0.1"], ["localhost", "localhost"], ...(hasIpv6 ? [["::1", "[::1]"]] : [])];

test.each(HOSTS)("a gateway on %s is reached as %s", async (host, told) => {
  const server = createServer((socket) => socket.on("error", () => {}));
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const tcp = `${told}:${(server.address() as AddressInfo).port}`;
  const reached = new Promise((resolve) => server.once("connection", resolve));
  const link = await tcpTransport.open({ gatewayId: "g", ws: "ws://x/ws", tcp }, 5_000);
  await reached;
  link.close();
  await new Promise((resolve) => server.close(resolve));
});
