/** What groups go through: somebody is let in and shown out while all others write. */
import { uuidv7 } from "@carillon/base";
import { Command } from "@carillon/protocol";
import { RawClient, until } from "@carillon/testkit";
import type { GroupChat } from "../load/group-chat";
import type { Load } from "../load/load";
import type { Fault } from "./fault";

const PATIENCE_MS = 60_000;

/** The visitor of a group is let in, and shown out at the end; then he must not be able to write any more. */
export const visitor: Fault = {
  async strike({ load }, target) {
    const group = load.groupChat(target);
    if (group === undefined || busy.has(group)) return undefined;
    busy.add(group);
    await group.change("let in");
    const heal = async () => {
      await group.change("show out");
      await mustNotWrite(load, group);
      busy.delete(group);
    };
    return { on: group.conversationId, heal };
  },
};

/** Groups whose visitor is there now. */
const busy = new Set<GroupChat>();

/** His removal was answered: whoever owns the conversation now, whatever it has cached, refuses him. */
async function mustNotWrite(load: Load, { visitor: him, conversationId }: GroupChat): Promise<void> {
  const account = load.secondDeviceOf(him);
  const verdict = await until(
    "a verdict on what the visitor writes",
    async () => {
      let client: RawClient | undefined;
      try {
        client = await RawClient.open("tcp", await load.gatewayOf(account));
        await client.connect({ token: account.token, deviceId: account.deviceId });
        const payload = { clientMsgId: uuidv7(Date.now()), to: account.to, contentType: "text", content: "me, too" };
        const { command, payload: answer } = await client.request(Command.SEND, payload);
        if (command === Command.SENT) return "SENT";
        return ["BUSY", "UNAVAILABLE", "INTERNAL"].includes(answer.name) ? undefined : (answer.name as string);
      } catch {
        return undefined;
      } finally {
        client?.close();
      }
    },
    PATIENCE_MS,
  );
  if (verdict !== "NOT_A_MEMBER") throw new Error(`I9: ${verdict} for one who was shown out of ${conversationId}`);
}
