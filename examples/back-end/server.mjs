// The server of a shop: signs its customers in to Carillon, and writes to them. See README.md.
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const { CARILLON_API: api = "http://127.0.0.1:21000", CARILLON_KEY: key, SHOP = "http://127.0.0.1:8700" } = process.env;
const SENDER = "shop";

if (key === undefined) throw new Error("CARILLON_KEY is missing: npx carillon keys create shop ...");

/** A request with the shop's key. */
async function carillon(path, body) {
  const headers = { "content-type": "application/json", authorization: `Bearer ${key}` };
  const answer = await fetch(api + path, { method: "POST", headers, body: JSON.stringify(body) });
  const json = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(json.message), json);
  return json;
}

/** Makes a user who comes by tokens only. That he is there already is as good. */
async function makeUser(userId, displayName) {
  await carillon("/v1/admin/users", { userId, displayName }).catch((error) => {
    if (error.name !== "CONFLICT") throw error;
  });
}

/** The same for the same order: a UUIDv7 of a fixed time, the rest a digest. */
function idFor(what) {
  const bytes = createHash("sha256").update(what).digest().subarray(0, 16);
  bytes.writeUIntBE(Date.UTC(2025, 0, 1), 0, 6);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Sends it again as long as nobody knows whether it is stored; it is stored once. */
async function sendMessage(message) {
  for (let tries = 1; ; tries++) {
    try {
      return await carillon("/v1/messages", message);
    } catch (error) {
      if (error.name !== "BUSY" || tries === 5) throw error;
      await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs ?? 1_000));
    }
  }
}

const routes = {
  /** A customer has signed in at the shop (here: everybody may): his device gets a token for Carillon. */
  async "sign-in"(customer, { deviceId }) {
    await makeUser(customer, customer);
    const login = { userId: customer, deviceId, platform: "other" };
    const { accessToken } = await carillon("/v1/admin/tokens", login);
    return { token: accessToken };
  },
  /** An order is on its way: the customer is told, once. */
  async shipped(customer, { orderId }) {
    const content = `your order ${orderId} is on its way`;
    const clientMsgId = idFor(`${orderId} shipped to ${customer}`);
    const to = `u:${customer}`;
    const { seq } = await sendMessage({ senderId: SENDER, to, clientMsgId, contentType: "text", content });
    return { seq };
  },
};

async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString() || "{}");
}

const server = createServer(async (request, response) => {
  const [, , customer, action] = new URL(request.url, SHOP).pathname.split("/");
  const answer = (status, body) =>
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  try {
    const route = request.method === "POST" && Object.hasOwn(routes, action) ? routes[action] : undefined;
    if (route === undefined) return answer(404, { message: "no such page" });
    answer(200, await route(customer, await bodyOf(request)));
  } catch (error) {
    answer(500, { message: error.message });
  }
});

await makeUser(SENDER, "The shop");
const { port, hostname } = new URL(SHOP);
server.listen(Number(port), hostname, () => console.log(`the shop is open at ${SHOP}`));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close(() => process.exit(0)));
