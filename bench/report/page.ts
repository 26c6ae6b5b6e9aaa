/** Renders a result as one page without other files: targets, costs and times of a message, batches, the account. Pure. */
import { escapeMarkup, renderDocument } from "../../scripts/page/markup";
import type { Account } from "../account/account";
import { bars, type Curve, percentileChart, type StackedRow, short, stackedBars } from "./charts";
import type { Machine } from "./machine";
import { type Judged, TARGETS } from "./targets";

/** One account of a result with its name. */
export interface NamedAccount {
  name: string;
  /** The unit by which the costs are divided: message, connection. */
  per: string;
  account: Account;
}

/** The part of a result that a page shows; the documents of the scenarios contain more. */
export interface PageData {
  scenario: string;
  /** Present time, ISO 8601. */
  at: string;
  machine: Machine;
  ok: boolean;
  targets: Judged[];
  /** Sentences about the measurement, as they were printed. */
  lines: string[];
  accounts: NamedAccount[];
  curves: Curve[];
  /** KB per connection, by server. */
  memory: Record<string, number>;
}

export function renderResultPage(data: PageData): string {
  const { scenario, at, machine, ok, targets, accounts, curves, memory, lines } = data;
  const sections = [
    `<h1>${escapeMarkup(scenario)}: ${ok ? "everything was as promised" : '<span class="failed">not everything was as promised</span>'}</h1>`,
    `<p class="quiet">${escapeMarkup(`${at}, ${machine.cores} cores, ${machine.model ?? "unknown processor"}, Node ${machine.node}; the load generator is on the same cores and not counted`)}</p>`,
    targets.length === 0 ? "" : renderTargets(targets),
    ...[...new Set(accounts.map(({ per }) => per))].map((per) =>
      renderCosts(accounts.filter((each) => each.per === per)),
    ),
    Object.keys(memory).length === 0 ? "" : `<h2>Memory per connection</h2>${bars(memory, "KB")}`,
    curves.length === 0 ? "" : `<h2>Latency by percentile</h2>${percentileChart(curves)}`,
    ...accounts.map(renderBatches),
    ...accounts.map(renderAccount),
    `<h2>As printed</h2><pre>${escapeMarkup(lines.join("\n"))}</pre>`,
  ];
  return renderDocument(`Carillon: ${scenario}`, sections.join("\n"));
}

function renderTargets(targets: Judged[]): string {
  const rows = targets.map(({ id, value, reached }) => {
    const { what, unit, must, stretch } = TARGETS[id];
    const verdict =
      reached === "missed" ? '<span class="failed">missed</span>' : `<span class="ok">${reached} is met</span>`;
    return `<tr><td>${id}</td><td>${escapeMarkup(what)}</td>${number(value)}${number(must)}${number(stretch)}<td>${escapeMarkup(unit)}</td><td>${verdict}</td></tr>`;
  });
  return `<h2>Targets</h2><table><tr><th></th><th></th>${heads(["measured", "must", "stretch"])}<th></th><th></th></tr>${rows.join("")}</table>`;
}

function renderCosts(accounts: NamedAccount[]): string {
  const rows = accounts.map(
    ({ name, account }): StackedRow => ({
      label: name,
      parts: Object.fromEntries(Object.entries(account.kinds).map(([kind, { cpu }]) => [kind, cpu])),
    }),
  );
  return `<h2>CPU per ${escapeMarkup(accounts[0]!.per)}</h2>${stackedBars(rows, "us")}`;
}

function renderBatches({ name, per, account }: NamedAccount): string {
  const sized = Object.entries(account.batches);
  if (sized.length === 0 || per !== "message") return "";
  const named = Object.fromEntries(sized.map(([hop, size]) => [hop, size]));
  return `<h2>Messages per batch: ${escapeMarkup(name)}</h2>${bars(named, "")}`;
}

function renderAccount({ name, per, account }: NamedAccount): string {
  const rows = Object.entries(account.kinds).map(([kind, cost]) => {
    const cells = [
      number(cost.cpu),
      number(cost.systemCalls),
      number(cost.fsyncs),
      number(cost.writtenBytes),
      number(cost.resident),
      number(cost.garbage === undefined ? undefined : cost.garbage * 100),
    ];
    return `<tr><td>${escapeMarkup(kind)}</td>${cells.join("")}</tr>`;
  });
  const names = ["CPU us", "system calls", "fsyncs/s", "bytes to disk", "resident MiB", "garbage %"];
  const all = `<tr><td>all servers</td>${number(account.cpu)}${number(undefined)}${number(undefined)}${number(account.writtenBytes)}</tr>`;
  const generator = `<tr class="quiet"><td>(generator)</td>${number(account.generatorCpu)}</tr>`;
  return `<h2>Account per ${escapeMarkup(`${per}: ${name}`)}</h2><table><tr><th></th>${heads(names)}</tr>${rows.join("")}${all}${generator}</table>
<p class="quiet">CPU, system calls and bytes are per ${escapeMarkup(per)}; ${account.messages} in ${short(account.seconds)} s.</p>`;
}

const heads = (names: string[]) => names.map((name) => `<th class="number">${name}</th>`).join("");
const number = (value: number | undefined) =>
  `<td class="number">${value === undefined ? "" : short(Math.abs(value) < 0.005 ? 0 : value)}</td>`;
