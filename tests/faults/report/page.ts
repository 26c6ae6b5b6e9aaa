/**
 * Renders the report as one page without other files. Each scenario has a time line, with the faults as bars over the rates of
 * sent, acknowledged and shown messages, then bounds and violations. Pure.
 */
import { escapeMarkup, renderDocument } from "../../../scripts/page/markup";
import type { ReportData, ResultSummary } from "./text";

const WIDTH = 1_000;
const CHART_HEIGHT = 120;
const BAR_HEIGHT = 14;
const COLOURS = { sent: "#8a8a8a", acknowledged: "#2166ac", shown: "#1b7837" } as const;

export function renderPage({ ok, rows, results }: ReportData): string {
  const rowLines = rows.map(
    (row) =>
      `<tr><td>${escapeMarkup(row.row)}</td><td>${escapeMarkup(row.what)}</td><td>${row.struck}</td><td>${row.violations}</td><td>${row.skipped === undefined ? verdict(row.ok) : `skipped: ${escapeMarkup(row.skipped)}`}</td></tr>`,
  );
  const body = `<h1>Fault machine: ${ok ? "every guarantee was kept" : "not all guarantees were kept"}</h1>
<table><tr><th>row</th><th>fault</th><th>struck</th><th>violations</th><th></th></tr>${rowLines.join("")}</table>
${results.map(renderResult).join("\n")}`;
  return renderDocument("Carillon: fault machine", body);
}

function renderResult(result: ResultSummary): string {
  const { scenario, seed, seconds, sent, shown, bounds, violations, ok } = result;
  const boundLines = bounds.map(
    ({ what, unit, most, median, worst, ok: within }) =>
      `<tr><td>${escapeMarkup(what)}</td><td>median ${median} ${unit}</td><td>worst ${worst} ${unit}</td><td>bound ${most} ${unit}</td><td>${verdict(within)}</td></tr>`,
  );
  const violationLines = violations
    .slice(0, 100)
    .map(({ invariant, what }) => `<li>${invariant} ${escapeMarkup(what)}</li>`);
  return `<h2>${escapeMarkup(scenario)} ${verdict(ok)}</h2>
<p>seed ${seed}, ${seconds} s, ${sent} messages sent, ${shown} shown, ${violations.length} violations</p>
${renderTimeLine(result)}
<table>${boundLines.join("")}</table><ul>${violationLines.join("")}</ul>`;
}

function renderTimeLine({ strikes, series, loadFrom, loadTo }: ResultSummary): string {
  const seconds = Math.max(series.shown.length, (loadTo - loadFrom) / 1_000, 1);
  const most = Math.max(1, ...series.sent, ...series.acknowledged, ...series.shown);
  const x = (ms: number) => Math.max(0, Math.min(WIDTH, ((ms - loadFrom) / 1_000 / seconds) * WIDTH));
  const lines = (Object.keys(COLOURS) as (keyof typeof COLOURS)[]).map((name) => {
    const points = series[name].map(
      (count, second) =>
        `${((second / seconds) * WIDTH).toFixed(1)},${(CHART_HEIGHT - (count / most) * CHART_HEIGHT).toFixed(1)}`,
    );
    return `<polyline fill="none" stroke="${COLOURS[name]}" stroke-width="1.5" points="${points.join(" ")}"/>`;
  });
  const bars = strikes.map(({ fault, on, struckAt, healedAt }, index) => {
    const [left, right, top] = [x(struckAt), x(healedAt), CHART_HEIGHT + 6 + index * BAR_HEIGHT];
    const label = `${fault} (${on})`;
    const anchor = left > WIDTH * 0.7 ? `x="${left - 4}" text-anchor="end"` : `x="${right + 4}"`;
    return `<rect x="${left}" y="0" width="${Math.max(2, right - left)}" height="${CHART_HEIGHT}" fill="#b2182b" opacity=".12"/>
<rect x="${left}" y="${top}" width="${Math.max(2, right - left)}" height="${BAR_HEIGHT - 4}" fill="#b2182b"/>
<text ${anchor} y="${top + 9}" font-size="10">${escapeMarkup(label)}</text>`;
  });
  const legend = (Object.keys(COLOURS) as (keyof typeof COLOURS)[]).map(
    (name, index) => `<text x="${index * 110}" y="-6" font-size="11" fill="${COLOURS[name]}">${name} per second</text>`,
  );
  const height = CHART_HEIGHT + 30 + strikes.length * BAR_HEIGHT;
  return `<svg viewBox="0 -18 ${WIDTH} ${height}" role="img">${legend.join("")}${bars.join("")}${lines.join("")}
<text x="${WIDTH}" y="-6" font-size="11" text-anchor="end">${Math.round(seconds)} s, at most ${most} per second</text></svg>`;
}

const verdict = (ok: boolean) => (ok ? '<span class="ok">ok</span>' : '<span class="failed">FAILED</span>');
