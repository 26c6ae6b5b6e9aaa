/** The machine's monotonic clock, ms. All processes share it, while the clocks of `performance` begin with their processes. */
const BEGAN_AT = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** Returns the present instant in ms that mean the same in every process of the machine. */
export const machineNow = () => BEGAN_AT + performance.now();

/** Converts an instant of this process's `performance` clock for all processes. */
export const ofMachine = (ms: number) => BEGAN_AT + ms;
