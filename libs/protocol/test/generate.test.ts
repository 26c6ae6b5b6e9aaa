import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { drift, renderAll } from "../../../scripts/generate";
import { root } from "./golden";

describe("generated files", () => {
  test("are what the schemas say: run npm run generate when this fails", () => {
    expect(drift(root)).toEqual([]);
    expect(renderAll(root).size).toBe(10);
  });

  describe("in a copy", () => {
    let copy: string;
    beforeEach(() => {
      copy = mkdtempSync(join(tmpdir(), "carillon-generate-"));
      cpSync(join(root, "schemas"), join(copy, "schemas"), { recursive: true });
      for (const folder of ["libs/protocol/src/generated", "docs"])
        cpSync(join(root, folder), join(copy, folder), { recursive: true });
    });
    afterEach(() => rmSync(copy, { recursive: true }));

    function edit(file: string, from: string, to: string): void {
      const path = join(copy, file);
      const text = readFileSync(path, "utf8");
      expect(text).toContain(from);
      writeFileSync(path, text.replace(from, to));
    }

    test("a changed schema, a changed generated file and a lost one are drift", () => {
      expect(drift(copy)).toEqual([]);
      edit("schemas/errors.json", "The server failed", "The server is unwell");
      expect(drift(copy)).toEqual([
        "libs/protocol/src/generated/errors.ts",
        "libs/protocol/src/generated/error-table.ts",
        "docs/errors.md",
      ]);
      edit("libs/protocol/src/generated/limits.ts", "maxDepth: 8", "maxDepth: 9");
      rmSync(join(copy, "libs/protocol/src/generated/commands.ts"));
      expect(drift(copy)).toHaveLength(5);
    });

    test.each([
      [
        "a number used twice",
        "payloads/session.json",
        '"number": 9',
        '"number": 10',
        "command number 10 is used twice",
      ],
      ["a name used twice", "payloads/session.json", '"PING"', '"OK"', "command name OK is used twice"],
      ["a reference to nothing", "payloads/session.json", "$defs/token", "$defs/tokem", "leads to nothing"],
      ["an unknown format", "definitions.json", '"uuidv7"', '"uuidv8"', "format uuidv8 is unknown"],
      ["an unknown retry", "errors.json", '"later"', '"sometime"', "sometime"],
      ["a close code outside the ranges", "close-codes.json", '"code": 4204', '"code": 4300', "in no range"],
      [
        "a client's payload that is open",
        "payloads/session.json",
        '"additionalProperties": false',
        '"additionalProperties": true',
        "refuses unknown keys",
      ],
    ])("%s is refused", (_name, file, from, to, message) => {
      edit(`schemas/${file}`, from, to);
      expect(() => renderAll(copy)).toThrow(message);
    });

    test("a retired command keeps its number and leaves the table", () => {
      const path = join(copy, "schemas/payloads/receipts.json");
      const file = JSON.parse(readFileSync(path, "utf8"));
      file.commands.push({ number: 32, name: "OLD_PRESENCE", description: "Gone", retired: true });
      writeFileSync(path, JSON.stringify(file));
      const commands = renderAll(copy).get("libs/protocol/src/generated/commands.ts");
      expect(commands).toContain("retiredCommands: readonly number[] = [32]");
      expect(commands).not.toContain("OLD_PRESENCE");
    });
  });
});
