// Loaded into a process before its program: each SIGWINCH moves its wall clock, to an hour ahead, an hour back, and right again.
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

// A signal that nothing else listens to, and that is ignored where this file is not loaded.
process.on("SIGWINCH", () => {
  phase = (phase + 1) % SHIFTS_MS.length;
});
