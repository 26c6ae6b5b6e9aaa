/** Faults by clients: they stop reading, write too much at once, or send a text that kills a worker. */
import { uuidv7 } from "@carillon/base";
import { DEAD_STREAM } from "@carillon/bus";
import { Command } from "@carillon/protocol";
import { RawClient, until } from "@carillon/testkit";
import type { Fault } from "./fault";

/** A text that kills the worker that decides about it; the environment of the scenario arms it. */
export const POISON = "poison-of-the-fault-machine";

/** A client that does not read for a while. */
export const slowReader: Fault = {
  async strike({ load }, target) {
    const device = load.rawDevice(target);
    device?.stopReading();
    return device && { on: device.history.name, heal: async () => device.resumeReading() };
  },
};

/** Many more messages a second into a single conversation. */
export function hotConversation(rate: number): Fault {
  return {
    async strike({ load }, target) {
      const device = load.rawDevice(target);
      if (device === undefined) return undefined;
      const everyMs = 20;
      const timer = setInterval(() => {
        for (let i = 0; i < (rate * everyMs) / 1_000 && device.unanswered < rate; i++) device.send("hot");
      }, everyMs);
      return { on: device.history.name, heal: async () => clearInterval(timer) };
    },
  };
}

/** Each message has this size, so logs and queues reach their limits. */
export function largeContents(bytes: number): Fault {
  return {
    async strike({ load }) {
      load.contentBytes = bytes;
      const heal = async () => {
        load.contentBytes = 0;
      };
      return { on: `all messages have ${bytes} bytes`, heal };
    },
  };
}

/** A user sends a request that kills its worker; in the end it is put aside, and the user is told so. */
export const poison: Fault = {
  async strike({ cluster, load, bus }) {
    const { token, deviceId, peerId } = load.stranger;
    const client = await RawClient.open("tcp", await load.gatewayOf(load.stranger));
    await client.connect({ token, deviceId });
    const payload = { clientMsgId: uuidv7(Date.now()), to: `u:${peerId}`, contentType: "text", content: POISON };
    const requestId = client.send(Command.SEND, payload);
    const heal = async () => {
      const isPutAside = async () => (await bus.jsm.streams.info(DEAD_STREAM)).state.messages > 0;
      await until("the request is put aside", isPutAside);
      const isAnswered = () => client.frames.find((frame) => frame.requestId === requestId);
      const { command, payload: answer } = await until("its sender is told", isAnswered);
      client.close();
      if (command !== Command.ERROR || answer.name !== "INTERNAL") {
        throw new Error(`a poisonous request was answered with ${JSON.stringify(answer)}`);
      }
    };
    return { on: `a worker of ${cluster.info().workers.length}`, heal };
  },
};
