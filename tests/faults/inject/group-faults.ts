/** Faults of groups: a visitor is added and removed while all other members write. */
import { uuidv7 } from "@carillon/base";
import { Command } from "@carillon/protocol";
import { RawClient, until } from "@carillon/testkit";
import type { GroupChat } from "../load/group-chat";
import type { Load } from "../load/load";
import type { Account } from "../load/load-device";
import type { Fault } from "./fault";

const PATIENCE_MS = 60_000;

/** The visitor of a group is added, and removed at the end; then they must not be able to write any more. */
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

/** A member recalls their last message in the group. */
export const recall: Fault = {
  async strike({ load }, target) {
    const group = load.groupChat(target);
    const sender = group?.members[target % group.members.length];
    const message = load.history.messages.findLast(
      ({ senderId, conversationId, answers }) =>
        senderId === sender?.userId && conversationId === group?.conversationId && answers.length > 0,
    );
    if (sender === undefined || message === undefined) return undefined;
    const { conversationId, answers } = message;
    const payload = { clientMsgId: uuidv7(Date.now()), conversationId, targetSeq: answers[0]!.seq };
    const verdict = await verdictOn(load, sender, Command.RECALL, payload);
    if (verdict !== "SENT") throw new Error(`a message could not be recalled: ${verdict}`);
    return { on: `${conversationId} #${payload.targetSeq}`, heal: async () => {} };
  },
};

/** Groups whose visitor is a member now. */
const busy = new Set<GroupChat>();

/** After the answer to the removal, each owner of the conversation must refuse the visitor, whatever it has cached. */
async function mustNotWrite(load: Load, { visitor, conversationId }: GroupChat): Promise<void> {
  const payload = { clientMsgId: uuidv7(Date.now()), to: visitor.to, contentType: "text", content: "me, too" };
  const verdict = await verdictOn(load, visitor, Command.SEND, payload);
  if (verdict !== "NOT_A_MEMBER") throw new Error(`I9: ${verdict} for a member who was removed from ${conversationId}`);
}

/** Sends a request over another device of a user until it has a final answer. @returns SENT or the error's name */
async function verdictOn(load: Load, who: Account, command: number, payload: object): Promise<string> {
  const account = load.secondDeviceOf(who);
  return until(
    "a verdict",
    async () => {
      let client: RawClient | undefined;
      try {
        client = await RawClient.open("tcp", await load.gatewayOf(account));
        await client.connect({ token: account.token, deviceId: account.deviceId });
        const answer = await client.request(command, payload);
        if (answer.command === Command.SENT) return "SENT";
        const { name } = answer.payload;
        return ["BUSY", "UNAVAILABLE", "INTERNAL"].includes(name) ? undefined : (name as string);
      } catch {
        return undefined;
      } finally {
        client?.close();
      }
    },
    PATIENCE_MS,
  );
}
