// Answers what it is told, once, whatever happens in between. See README.md.
import { createHash } from "node:crypto";
import { CarillonClient, HttpApi, openFileStorage } from "@carillon/client";

const {
  CARILLON_API: api = "http://127.0.0.1:21000",
  BOT_USER: userId = "echo-bot",
  BOT_PASSWORD: password = "a bot has no secrets",
  BOT_FOLDER: folder = ".echo-bot",
} = process.env;

await new HttpApi(api).register(userId, "Echo", password).catch((error) => {
  // The account is there already: this is not the bot's first life.
  if (error.name !== "CONFLICT") throw error;
});

let isEnding = false;
const storage = await openFileStorage(folder);
const client = new CarillonClient({
  api,
  deviceId: "bot",
  platform: "server",
  credentials: { userId, password },
  storage,
});

client.on("message", async ({ conversationId, seq, senderId, contentType, content, messageId, sentAt }) => {
  // A bot hears itself, too. What was taken back has no content.
  if (senderId === userId || contentType !== "text" || content === undefined) return;
  const to = conversationId.startsWith("g:") ? conversationId : `u:${senderId}`;
  try {
    await untilDone(() => client.send(to, { content, clientMsgId: idOfAnswer(messageId, sentAt) }));
    // The client repeats it until the server has it: nothing waits for that.
    client.markRead(conversationId, seq);
    console.log(`answered ${senderId}: ${content}`);
  } catch (error) {
    // Blocked, muted: there is nobody to answer. Or the bot ends: the client has kept the answer for its next life.
    console.log(`could not answer ${senderId}: ${error.message}`);
  }
});

client.on("state", (state) => console.log(state.name));

/** Tries until it works or is refused for good: until then the message does not count as received. */
async function untilDone(work) {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (error.retry === "never" || isEnding) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5_000));
    }
  }
}

/** The same for the same message: a UUIDv7 of its time, the rest a digest of its id. */
function idOfAnswer(messageId, sentAt) {
  const bytes = createHash("sha256").update(`answer to ${messageId}`).digest().subarray(0, 16);
  bytes.writeUIntBE(sentAt, 0, 6);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, async () => {
    isEnding = true;
    await client.close();
    await storage.close();
  });
}

await client.connect();
