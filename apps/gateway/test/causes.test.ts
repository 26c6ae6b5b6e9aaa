import { readFileSync } from "node:fs";
import path from "node:path";
import { apiSender, commandSender } from "@carillon/bus";
import { CAUSES, type Cause, causeOf, type Repair } from "../src/recovery/causes";

test.each([
  ["a worker whose links begin again", "worker-1", "begins", ["inboxes", "groups"]],
  ["a worker that is silent", "worker-1", "silent", ["inboxes", "groups", "marks", "presence"]],
  ["a worker that jumps", "api-like-name", "jumps", ["inboxes", "groups", "marks", "presence"]],
  ["an api that begins", apiSender("api-1"), "begins", ["sessions"]],
  ["an api that is silent", apiSender("api-1"), "silent", ["sessions", "marks", "presence"]],
  ["a command that gives an order", commandSender("x1"), "begins", []],
  ["a command that has ended", commandSender("x1"), "silent", []],
] as const)("%s makes a gateway ask again for what may be lost", (_, sender, why, repairs) => {
  const cause = causeOf(sender, why);
  expect(cause === undefined ? [] : CAUSES[cause]).toEqual(repairs);
});

test("docs/architecture.md shows the same causes and repairs", () => {
  const page = readFileSync(path.join(__dirname, "../../../docs/architecture.md"), "utf8");
  const table = page.slice(page.indexOf("| event "), page.indexOf("\n\n", page.indexOf("| event ")));
  const [head, , ...rows] = table.split("\n").map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  const columns: Record<string, Repair> = {
    "inboxes (1)": "inboxes",
    "large groups (2)": "groups",
    "sessions (3)": "sessions",
    "marks (4)": "marks",
    "presence (5)": "presence",
    "registrations (6)": "registrations",
  };
  expect(head!.slice(1)).toEqual(Object.keys(columns));
  const shown = rows.map(([event, ...cells]): [string, Repair[]] => [
    event!,
    cells.flatMap((cell, i) => (cell === "" ? [] : [columns[head![i + 1]!]!])),
  ]);
  expect(shown).toEqual(Object.entries(CAUSES) as [Cause, readonly Repair[]][]);
});
