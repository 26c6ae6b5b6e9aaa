/** Writes the report of a run into `.carillon/faults/<time>/`. */
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
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
    /** Keeps the evidence of a failed scenario, so that it can be judged again. */
    add({ scenario, evidence, ok }: ScenarioResult): void {
      if (!ok) writeEvidence(path.join(folder, `${scenario}.evidence.json`), evidence);
    },
    finish(data: ReportData): void {
      writeFileSync(path.join(folder, "report.json"), `${JSON.stringify(data, null, 2)}\n`);
      writeFileSync(path.join(folder, "report.html"), renderPage(data));
    },
  };
}

/** Writes one JSON document item by item, since the document of a long run is longer than a string can be. */
function writeEvidence(file: string, evidence: object): void {
  const fd = openSync(file, "w");
  let before = "{";
  for (const [key, items] of Object.entries(evidence as Record<string, unknown[]>)) {
    writeSync(fd, `${before}${JSON.stringify(key)}:[`);
    let separator = "";
    for (const item of items) {
      writeSync(fd, `${separator}${JSON.stringify(item)}`);
      separator = ",\n";
    }
    writeSync(fd, "]");
    before = ",";
  }
  writeSync(fd, "}\n");
  closeSync(fd);
}
