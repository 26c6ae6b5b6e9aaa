/** The servers of a peer end with this process, however it ends, and at once when one of them could not be started. */
import { ProcessGuard } from "@carillon/local";
import type { RunningContestant } from "./contestant";

export async function startGuarded(
  start: (guard: ProcessGuard) => Promise<RunningContestant>,
): Promise<RunningContestant> {
  const guard = new ProcessGuard();
  try {
    const running = await start(guard);
    return {
      ...running,
      stop: async () => {
        await running.stop();
        await guard.release();
      },
    };
  } catch (error) {
    await guard.release();
    throw error;
  }
}
