/**
 * A tick at each whole millisecond of this thread's clock. Timers of Node round to a millisecond and are late by up to one
 * more; a thread that sleeps on a futex is not, and wakes this one by a message.
 */
import { MessageChannel, Worker } from "node:worker_threads";

/** The thread in plain JavaScript: it is evaluated as it stands. A tick that was not taken yet is not repeated. */
const TICKER = `
const { workerData } = require("node:worker_threads");
const { state, port, timeOrigin } = workerData;
const view = new Int32Array(state);
const ahead = performance.timeOrigin - timeOrigin;
while (Atomics.load(view, 0) === 0) {
  const now = performance.now() + ahead;
  Atomics.wait(view, 0, 0, Math.ceil(now) - now + 0.02);
  if (Atomics.exchange(view, 1, 1) === 0) port.postMessage(0);
}
port.close();
`;

/** Calls `onTick` once a millisecond, as far as the machine lets it. @returns ends it */
export function startTicks(onTick: () => void): () => void {
  const state = new SharedArrayBuffer(8);
  const view = new Int32Array(state);
  const { port1, port2 } = new MessageChannel();
  const workerData = { state, port: port2, timeOrigin: performance.timeOrigin };
  const worker = new Worker(TICKER, { eval: true, workerData, transferList: [port2] });
  port1.on("message", () => {
    Atomics.store(view, 1, 0);
    onTick();
  });
  return () => {
    Atomics.store(view, 0, 1);
    Atomics.notify(view, 0);
    port1.close();
    void worker.terminate();
  };
}
