// A process loads this file before its program. Each SIGWINCH then moves its wall clock: an hour ahead, an hour back, right again.
const SHIFTS_MS = [0, 3_600_000, -3_600_000];
let phase = 0;

const RealDate = Date;
class ShiftedDate extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(ShiftedDate.now());
    else super(...args);
  }
  static now() {
    return RealDate.now() + SHIFTS_MS[phase];
  }
}
globalThis.Date = ShiftedDate;

// No other code listens to this signal, and processes without this file ignore it.
process.on("SIGWINCH", () => {
  phase = (phase + 1) % SHIFTS_MS.length;
});
