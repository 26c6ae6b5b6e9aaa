/** A process of the load generator: does what the run asks it for by IPC, and nothing else. */
import { encodeIntoCompressedBase64 } from "hdr-histogram-js";
import type { GeneratorCalls, GeneratorReply, GeneratorRequest } from "./calls";
import { LoadLoop } from "./load-loop";
import type { LoadProtocol } from "./load-protocol";

const loop = new LoadLoop();

const calls: GeneratorCalls = {
  open: async ({ protocolFile, specs }) => {
    const { protocol } = require(protocolFile) as { protocol: LoadProtocol };
    await loop.open(protocol, specs);
  },
  startClosed: ({ inFlight }) => loop.startClosed(inFlight),
  startOpen: async ({ perSecond }) => loop.startOpen(perSecond),
  startMeasuring: async () => loop.startMeasuring(),
  stopMeasuring: async () => loop.stopMeasuring(),
  stop: async () => loop.stop(),
  progress: async () => loop.progress(),
  times: async () => ({
    latency: encodeIntoCompressedBase64(loop.times.latency),
    lateness: encodeIntoCompressedBase64(loop.times.lateness),
  }),
};

process.on("message", ({ id, call, argument }: GeneratorRequest) => {
  const reply = (answer: GeneratorReply) => process.connected && process.send!(answer);
  calls[call](argument as never).then(
    (result) => reply({ id, result }),
    (error: Error) => reply({ id, error: error.message }),
  );
});
process.on("disconnect", () => process.exit(0));
