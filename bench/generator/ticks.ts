/**
 * Turns of this process that begin at whole milliseconds of its clock. Between them the process sleeps on a futex and not on
 * its sockets. So it is on time, where timers of Node round to a millisecond and are late by up to one more, and an arriving
 * frame does not wake it. A generator that runs for every single message would take the processor from the servers as often,
 * which no client on a machine of its own does. The process sees a frame up to a millisecond late.
 */
const sleeper = new Int32Array(new SharedArrayBuffer(4));
/** A sleep ends this much after its time, and never before it, ms. */
const AFTER = 0.02;

/** Calls `onTick` once a millisecond if the machine allows it, and reads sockets once between. @returns a function that ends it */
export function startTicks(onTick: () => void): () => void {
  let isStopped = false;
  const turn = () => {
    if (isStopped) return;
    const now = performance.now();
    Atomics.wait(sleeper, 0, 0, Math.floor(now) + 1 - now + AFTER);
    onTick();
    setImmediate(turn);
  };
  setImmediate(turn);
  return () => {
    isStopped = true;
  };
}
