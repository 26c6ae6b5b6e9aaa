// Two users, one message. See README.md.
import { randomUUID } from "node:crypto";
import { CarillonClient, HttpApi } from "@carillon/client";
import { viewOf } from "@carillon/client/view";

const api = process.env.CARILLON_API ?? "http://127.0.0.1:21000";

/** Makes an account and connects its first device. */
async function signUp(name) {
  const userId = `${name}-${randomUUID().slice(0, 8)}`;
  const password = randomUUID();
  await new HttpApi(api).register(userId, name, password);
  const client = new CarillonClient({ api, deviceId: "phone", platform: "other", credentials: { userId, password } });
  // A screen would bind to the view; asking for it once is what makes it.
  viewOf(client);
  await client.connect();
  return { userId, client };
}

/** Waits until the view shows something. */
function until(client, isShown) {
  return new Promise((resolve) => {
    const stop = viewOf(client).subscribe(look);
    function look() {
      if (!isShown()) return;
      stop();
      resolve();
    }
    look();
  });
}

const [alice, bob] = await Promise.all([signUp("alice"), signUp("bob")]);

const received = new Promise((resolve) => bob.client.on("message", resolve));
const { conversationId } = await alice.client.send(`u:${bob.userId}`, "hello, Bob");
const message = await received;
console.log(`bob    received "${message.content}" (number ${message.seq})`);

const status = () => viewOf(alice.client).messages(conversationId).items[0]?.status;
await until(alice.client, () => status() === "delivered");
console.log("alice  sees her message as delivered");

const conversation = () => viewOf(bob.client).conversations[0];
await until(bob.client, () => conversation()?.unread === 1);
console.log(`bob    has 1 unread message of ${conversation().title}`);

await bob.client.markRead(conversationId, message.seq);
await until(alice.client, () => status() === "read");
console.log("alice  sees her message as read");

await Promise.all([alice.client.close(), bob.client.close()]);
