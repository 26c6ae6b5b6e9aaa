/** The charts of a result as SVG: stacked bars, curves over percentiles, bars of sizes. Pure. */
import { escapeMarkup } from "../../scripts/page/markup";

const WIDTH = 1_000;
const LABELS = 150;
const ROW = 34;
const BAR = 22;
const FONT = 13;
const GRID = "#ddd";
const INK = "#444";
/** People who see colours in other ways can tell these apart, too. */
const COLOURS = [
  "#4477aa",
  "#ee6677",
  "#228833",
  "#ccbb44",
  "#66ccee",
  "#aa3377",
  "#bbbbbb",
  "#ee8866",
  "#44bb99",
  "#222222",
];

export interface StackedRow {
  label: string;
  /** Values by kind of process. */
  parts: Record<string, number>;
}

const colourOf = (index: number) => COLOURS[index % COLOURS.length]!;

function text(x: number, y: number, content: string, more = ""): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" font-size="${FONT}" fill="${INK}" ${more}>${escapeMarkup(content)}</text>`;
}

function svg(height: number, parts: string[]): string {
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img">${parts.join("")}</svg>`;
}

/** Draws names with their colours, side by side. */
function legend(names: string[], y: number): string {
  const step = Math.min(150, (WIDTH - LABELS) / Math.max(1, names.length));
  return names
    .map((name, index) => {
      const x = LABELS + index * step;
      return `<rect x="${x}" y="${y - 11}" width="12" height="12" fill="${colourOf(index)}"/>${text(x + 17, y, name)}`;
    })
    .join("");
}

/** Draws one bar for each row, divided into its parts; each part that is large enough shows its value. */
export function stackedBars(rows: StackedRow[], unit: string): string {
  const names = [...new Set(rows.flatMap(({ parts }) => Object.keys(parts)))];
  const totals = rows.map(({ parts }) => Object.values(parts).reduce((sum, value) => sum + value, 0));
  const most = Math.max(...totals, Number.MIN_VALUE);
  const scale = (WIDTH - LABELS - 130) / most;
  const bars = rows.flatMap(({ label, parts }, index) => {
    const y = 30 + index * ROW;
    let x = LABELS;
    const pieces = names.flatMap((name, colour) => {
      const value = parts[name] ?? 0;
      const width = value * scale;
      const left = x;
      x += width;
      if (width <= 0) return [];
      const title = `<title>${escapeMarkup(`${name}: ${short(value)} ${unit}`)}</title>`;
      const inside =
        width < 38
          ? ""
          : text(left + width / 2, y + 16, short(value), 'text-anchor="middle" style="fill:#fff;font-weight:600"');
      return [
        `<rect x="${left.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" fill="${colourOf(colour)}">${title}</rect>${inside}`,
      ];
    });
    return [
      text(LABELS - 10, y + 16, label, 'text-anchor="end"'),
      ...pieces,
      text(x + 8, y + 16, `${short(totals[index]!)} ${unit}`, 'font-weight="600"'),
    ];
  });
  return svg(30 + rows.length * ROW, [legend(names, 14), ...bars]);
}

export interface Curve {
  label: string;
  /** [percentile, ms] */
  points: [number, number][];
}

const TICKS = [0, 50, 90, 99, 99.9, 99.99];
const CURVE_HEIGHT = 300;
const LAST_PERCENTILE = 99.99;

/** Draws percentiles to the right, with 90, 99 and 99.9 equally far apart, and ms upwards, with each step ten times as much. */
export function percentileChart(curves: Curve[]): string {
  const [left, top, right, bottom] = [80, 30, WIDTH - 40, CURVE_HEIGHT - 30];
  const values = curves.flatMap(({ points }) => points.map(([, ms]) => ms)).filter((ms) => ms > 0);
  const lowest = Math.floor(Math.log10(values.length === 0 ? 1 : Math.min(...values)));
  const highest = Math.max(lowest + 1, Math.ceil(Math.log10(Math.max(...values, 1))));
  const nines = (percentile: number) => -Math.log10(1 - Math.min(percentile, LAST_PERCENTILE) / 100);
  const x = (percentile: number) => left + (nines(percentile) / nines(LAST_PERCENTILE)) * (right - left);
  const y = (ms: number) =>
    bottom - ((Math.log10(Math.max(ms, 10 ** lowest)) - lowest) / (highest - lowest)) * (bottom - top);
  const columns = TICKS.map(
    (tick) =>
      `<line x1="${x(tick)}" x2="${x(tick)}" y1="${top}" y2="${bottom}" stroke="${GRID}"/>${text(x(tick), bottom + 18, `${tick} %`, 'text-anchor="middle"')}`,
  );
  const rows = Array.from({ length: highest - lowest + 1 }, (_, step) => 10 ** (lowest + step)).map(
    (ms) =>
      `<line x1="${left}" x2="${right}" y1="${y(ms)}" y2="${y(ms)}" stroke="${GRID}"/>${text(left - 8, y(ms) + 4, `${short(ms)} ms`, 'text-anchor="end"')}`,
  );
  const lines = curves.map(({ points }, index) => {
    const path = points.map(([percentile, ms]) => `${x(percentile).toFixed(1)},${y(ms).toFixed(1)}`).join(" ");
    return `<polyline fill="none" stroke="${colourOf(index)}" stroke-width="2.5" points="${path}"/>`;
  });
  return svg(CURVE_HEIGHT, [
    legend(
      curves.map(({ label }) => label),
      14,
    ),
    ...columns,
    ...rows,
    ...lines,
  ]);
}

/** Draws one bar for each name. */
export function bars(values: Record<string, number>, unit: string): string {
  const entries = Object.entries(values);
  const wide = LABELS + 40;
  const most = Math.max(...entries.map(([, value]) => value), Number.MIN_VALUE);
  const drawn = entries.flatMap(([name, value], index) => {
    const y = 6 + index * ROW;
    const width = Math.max(1, (value / most) * (WIDTH - wide - 160));
    return [
      text(wide - 10, y + 16, name, 'text-anchor="end"'),
      `<rect x="${wide}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" fill="${colourOf(0)}"/>`,
      text(wide + width + 8, y + 16, `${short(value)} ${unit}`),
    ];
  });
  return svg(10 + entries.length * ROW, drawn);
}

/** Formats a number with as few digits as make sense. */
export function short(value: number): string {
  if (value >= 100) return value.toFixed(0);
  if (value >= 10) return String(Number(value.toFixed(1)));
  return String(Number(value.toPrecision(2)));
}
