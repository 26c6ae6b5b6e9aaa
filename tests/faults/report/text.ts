/** Renders the report as a table for people, and as data. Pure. */
import type { ScenarioResult } from "../run-scenario";
import { ROWS, type Row, type Scenario } from "../scenario";

/** Maximum number of violations printed for a scenario; the JSON has all of them. */
const SHOWN_VIOLATIONS = 10;

/** A result without the evidence, which is too long to read. */
export type ResultSummary = Omit<ScenarioResult, "evidence">;

export interface ReportData {
  ok: boolean;
  results: ResultSummary[];
  rows: { row: Row; what: string; struck: number; violations: number; skipped: string | undefined; ok: boolean }[];
}

/** A scenario that this machine cannot run, with the reason. */
interface Skipped {
  scenario: Pick<Scenario, "name" | "row">;
  why: string;
}

/** @param all whether every row of the matrix had to be struck; a row without a strike then counts as failed */
export function describeResults(
  results: ScenarioResult[],
  skipped: Skipped[],
  all: boolean,
): { text: string; json: ReportData; ok: boolean } {
  const rows = (Object.keys(ROWS) as Row[])
    .map((row) => {
      const own = results.filter((result) => result.row === row);
      const struck = own.reduce((sum, { strikes }) => sum + strikes.length, 0);
      const violations = own.reduce((sum, result) => sum + result.violations.length, 0);
      const why = own.length === 0 ? skipped.find(({ scenario }) => scenario.row === row)?.why : undefined;
      const rowOk = why !== undefined || (struck > 0 && own.every((result) => result.ok));
      return { row, what: ROWS[row], struck, violations, skipped: why, ok: rowOk };
    })
    .filter(({ struck, skipped: why }) => all || struck > 0 || why !== undefined);
  const ok = results.every((result) => result.ok) && rows.every((row) => row.ok);
  const summaries = results.map(({ evidence: _, ...summary }) => summary);
  const text = [
    ...results.flatMap(describeResult),
    "",
    ...rows.map(({ row, struck, violations, skipped: why, ok: rowOk }) => {
      const what = why === undefined ? `struck ${String(struck).padStart(3)} times, ${violations} violations` : why;
      return `  ${row.padEnd(30)} ${what}  ${why === undefined ? verdict(rowOk) : "skipped"}`;
    }),
    "",
    `  ${ok ? "every guarantee was kept" : "NOT ALL GUARANTEES WERE KEPT"}`,
  ].join("\n");
  return { text, json: { ok, results: summaries, rows }, ok };
}

/** Describes the result of one scenario in lines. */
export function describeResult({
  scenario,
  seed,
  seconds,
  strikes,
  bounds,
  violations,
  sent,
  shown,
  ok,
}: ScenarioResult): string[] {
  const kinds = [...new Set(violations.map(({ invariant }) => invariant))].join(" ");
  return [
    `${scenario} (seed ${seed}, ${seconds} s): ${strikes.length} strikes, ${sent} sent, ${shown} shown, ${violations.length} violations ${kinds} ${verdict(ok)}`,
    ...bounds.map(
      ({ what, unit, most, median, worst, ok: within }) =>
        `    ${what}: median ${median}, worst ${worst} ${unit}, bound ${most} ${verdict(within)}`,
    ),
    ...violations.slice(0, SHOWN_VIOLATIONS).map(({ invariant, what }) => `    ${invariant} ${what}`),
  ];
}

const verdict = (ok: boolean) => (ok ? "ok" : "FAILED");
