/** Of this machine's monotonic clock and of no process: the clocks of `performance` begin with their processes. ms */
const BEGAN_AT = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** ms that mean the same instant in every process of the machine. */
export const machineNow = () => BEGAN_AT + performance.now();

/** An instant of this process's `performance` clock, for all processes. */
export const ofMachine = (ms: number) => BEGAN_AT + ms;
