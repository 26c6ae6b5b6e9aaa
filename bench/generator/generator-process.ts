/** A process of the load generator. It executes the calls that the run makes by IPC, and does nothing else. */
import { encodeIntoCompressedBase64 } from "hdr-histogram-js";
import type { GeneratorCalls } from "./calls";
import { LoadLoop } from "./load-loop";
import type { LoadProtocol } from "./load-protocol";
import { serveCalls } from "./remote-process";

const loop = new LoadLoop();

serveCalls<GeneratorCalls>({
  open: async ({ protocolFile, specs }) => {
    const { protocol } = require(protocolFile) as { protocol: LoadProtocol };
    await loop.open(protocol, specs);
  },
  startClosed: ({ inFlight, closedBy }) => loop.startClosed(inFlight, closedBy),
  startOpen: async ({ perSecond }) => loop.startOpen(perSecond),
  startMeasuring: async () => loop.startMeasuring(),
  stopMeasuring: async () => loop.stopMeasuring(),
  stop: async () => loop.stop(),
  progress: async () => loop.progress(),
  times: async () => ({
    latency: encodeIntoCompressedBase64(loop.times.latency),
    lateness: encodeIntoCompressedBase64(loop.times.lateness),
  }),
});
