/** The result of a check of the doctor, also of a check that is not possible. */

export type CheckResult = "ok" | "warning" | "wrong" | "not checked";

export interface Check {
  name: string;
  result: CheckResult;
  /** The finding. */
  text: string;
  /** Advice for the operator. */
  advice?: string;
}

export function ok(name: string, text: string): Check {
  return { name, result: "ok", text };
}

export function notChecked(name: string, text: string): Check {
  return { name, result: "not checked", text };
}

/** Ok if `isRight`, otherwise the given result with its advice. */
export function judge(
  name: string,
  isRight: boolean,
  text: string,
  otherwise: { result: CheckResult; advice: string },
) {
  return isRight ? ok(name, text) : { name, text, ...otherwise };
}

/** Runs checks that share a source. When the source itself fails, the result is one wrong check with the error. */
export async function checksOf(name: string, advice: string, work: () => Promise<Check[]>): Promise<Check[]> {
  try {
    return await work();
  } catch (error) {
    return [{ name, result: "wrong", text: (error as Error).message || "no answer", advice }];
  }
}

/** Whether `version` (numbers with dots) is at least `least`. */
export function isAtLeast(version: string, least: string): boolean {
  const [have, need] = [version, least].map((text) => (text.match(/\d+/g) ?? []).map(Number)) as [number[], number[]];
  for (const [place, number] of need.entries()) {
    const difference = (have[place] ?? 0) - number;
    if (difference !== 0) return difference > 0;
  }
  return true;
}
