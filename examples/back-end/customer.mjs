// The app of a shop's customer: it knows the shop, and the shop signs it in to Carillon. See README.md.
import { CarillonClient } from "@carillon/client";

const { CARILLON_API: api = "http://127.0.0.1:21000", SHOP = "http://127.0.0.1:8700" } = process.env;
const customer = process.argv[2] ?? "carol";
const deviceId = "phone";

/** Asked for whenever the client needs a fresh token. */
async function token() {
  const body = JSON.stringify({ deviceId });
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${SHOP}/customers/${customer}/sign-in`, { method: "POST", headers, body });
  if (!answer.ok) throw new Error(`the shop answered ${answer.status}`);
  return (await answer.json()).token;
}

const client = new CarillonClient({ api, deviceId, platform: "other", token });
client.on("message", ({ senderId, content }) => console.log(`${senderId}: ${content}`));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => client.close());
await client.connect();
console.log(`${customer} is connected`);
