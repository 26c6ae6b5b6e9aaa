/**
 * Fail points: named places where a test kills or pauses a process, so that it dies exactly between two steps. Each
 * stage of a journey has one at its entry and one at its exit (`append.before`, `append.after`). Outside tests no fail
 * point is armed, and a place that is not armed costs one comparison.
 */
export type FailAction = "kill" | "pause";

interface Armed {
  action: FailAction;
  /** The fail point strikes only when the data at hand contains this text. */
  only: string | undefined;
  /** Whether it was armed by an order instead of the environment: then it strikes once. */
  once: boolean;
}

const armed = new Map<string, Armed>();
let strike = strikeProcess;
let allowed = false;

/** Allows fail points in this process; the settings call it when NODE_ENV is `test`. */
export function allowFailPoints(): void {
  allowed = true;
}

/**
 * Arms a place: `append.after:kill`, `append.after:pause`, or `decide.before:kill:TEXT` (only for data with that text).
 * @param once whether it strikes a single time
 * @throws Error outside tests, or when the text has another form
 */
export function armFailPoint(text: string, once: boolean): void {
  if (!allowed) throw new Error("fail points are for tests: NODE_ENV is not `test`");
  const [place, action, ...rest] = text.split(":");
  if (place === undefined || !/^[a-z-]+\.(before|after)$/.test(place) || (action !== "kill" && action !== "pause")) {
    throw new Error(`a fail point is <stage>.<before|after>:<kill|pause>[:TEXT], not ${JSON.stringify(text)}`);
  }
  armed.set(place, { action, only: rest.length === 0 ? undefined : rest.join(":"), once });
}

/** Marks that the process passes a place. @param content the data at hand; called only when the fail point names a text */
export function failPoint(place: string, content?: () => string): void {
  if (armed.size === 0) return;
  const point = armed.get(place);
  if (point === undefined || (point.only !== undefined && content?.().includes(point.only) !== true)) return;
  if (point.once) armed.delete(place);
  strike(place, point.action);
}

/** Disarms all places. */
export function disarmFailPoints(): void {
  armed.clear();
}

/**
 * Replaces the signal by another effect, because a simulation has many processes in one.
 * @returns a function that restores the signal
 */
export function replaceStrike(another: (place: string, action: FailAction) => void): () => void {
  strike = another;
  return () => {
    strike = strikeProcess;
  };
}

function strikeProcess(_place: string, action: FailAction): void {
  process.kill(process.pid, action === "kill" ? "SIGKILL" : "SIGSTOP");
}
