import type { ClusterOptions } from "../supervisor/cluster-options";
import { superviseUntilStopped } from "./foreground";

/**
 * The supervisor as a process of its own. It gets its options by IPC, and reports to the process that started it by IPC: first
 * its progress (`{progress}`), at last `{ready: info}` or `{error: message}`. If that process exits before, nobody waits for the
 * cluster any more, and the supervisor undoes the start.
 */
export type DetachedMessage = { progress: string } | { ready: true } | { error: string; name: string };

async function main(): Promise<void> {
  const options = await new Promise<ClusterOptions>((resolve) => process.once("message", resolve as () => void));
  const lonely = new AbortController();
  let ready = false;
  const tell = (message: DetachedMessage) => {
    if (process.connected) {
      process.send?.(message, () => {});
    }
  };
  const onDisconnect = () => {
    if (!ready) {
      lonely.abort();
    }
  };
  process.on("disconnect", onDisconnect);
  const onProgress = (line: string) => {
    process.stdout.write(`${line}\n`);
    tell({ progress: line });
  };
  try {
    await superviseUntilStopped(
      { ...options, onProgress },
      () => {
        ready = true;
        tell({ ready: true });
      },
      { until: lonely.signal, survivesHangUp: true },
    );
  } catch (error) {
    process.stderr.write(`${(error as Error).stack}\n`);
    tell({ error: (error as Error).message, name: (error as Error).name });
    process.exitCode = 1;
  }
  process.off("disconnect", onDisconnect);
  if (process.connected) {
    process.disconnect();
  }
}

void main();
