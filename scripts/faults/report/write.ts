/** Puts the report of a run where people find it: `.carillon/faults/<time>/`. */
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { ScenarioResult } from "../run-scenario";
import { renderPage } from "./page";
import type { ReportData } from "./text";

export function writeReport() {
  const folder = path.join(process.cwd(), ".carillon", "faults", new Date().toISOString().replaceAll(":", "-"));
  mkdirSync(folder, { recursive: true });
  return {
    folder,
    /** Keeps the log of the processes of one scenario. */
    keepLog(name: string, file: string): void {
      if (existsSync(file)) copyFileSync(file, path.join(folder, `${name}.log`));
    },
    /** Keeps what a failed scenario saw, so that it can be judged again. */
    add({ scenario, evidence, ok }: ScenarioResult): void {
      if (!ok) writeFileSync(path.join(folder, `${scenario}.evidence.json`), JSON.stringify(evidence));
    },
    finish(data: ReportData): void {
      writeFileSync(path.join(folder, "report.json"), `${JSON.stringify(data, null, 2)}\n`);
      writeFileSync(path.join(folder, "report.html"), renderPage(data));
    },
  };
}
