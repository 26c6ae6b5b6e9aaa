/**
 * Turns of this process that begin at whole milliseconds of its clock. Between them it sleeps, on a futex and not on its
 * sockets: so it is on time, where timers of Node round to a millisecond and are late by up to one more, and what
 * arrives wakes nobody. A generator that runs for every single message would take the processor from the servers as
 * often, as no client on a machine of its own does. What is received is seen up to a millisecond late.
 */
const sleeper = new Int32Array(new SharedArrayBuffer(4));
/** A sleep ends a little after its time, never before. ms */
const AFTER = 0.02;

/** Calls `onTick` once a millisecond, as far as the machine lets it, and has sockets read once between. @returns ends it */
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
