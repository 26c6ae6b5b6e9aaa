import { spawnSync } from "node:child_process";
import path from "node:path";
import { armFailPoint, failPoint, loadSettings } from "../src/node";

/** Runs a line in a process of its own, where a fail point may strike. */
function run(script: string, environment: Record<string, string> = {}) {
  const module = JSON.stringify(path.join(__dirname, "../src/node/fail-point.ts"));
  const options = [
    "--import",
    require.resolve("tsx"),
    "-e",
    `const f = require(${module}); f.allowFailPoints(); ${script}`,
  ];
  const env = { ...process.env, NODE_ENV: "test", ...environment } as NodeJS.ProcessEnv;
  const { signal, stdout } = spawnSync(process.execPath, options, { env, encoding: "utf8" });
  return { signal, stdout };
}

describe("fail points", () => {
  test("kill the process where they stand, and nowhere else", () => {
    const arm = 'f.armFailPoint("append.after:kill", true);';
    expect(run(`${arm} f.failPoint("append.before"); console.log("on");`)).toEqual({ signal: null, stdout: "on\n" });
    expect(run(`${arm} f.failPoint("append.after"); console.log("on");`)).toEqual({ signal: "SIGKILL", stdout: "" });
  });

  test("with a text strike only where it is at hand", () => {
    const arm = 'f.armFailPoint("decide.before:kill:poison: 1", false);';
    const pass = (text: string) => `f.failPoint("decide.before", () => "${text}");`;
    expect(run(`${arm} ${pass("poison: 2")} console.log("on");`)).toEqual({ signal: null, stdout: "on\n" });
    expect(run(`${arm} ${pass("the poison: 1 here")} console.log("on");`).signal).toBe("SIGKILL");
  });

  test("are refused outside tests, and when they cannot be understood", () => {
    expect(() => armFailPoint("append.after:kill", true)).toThrow("for tests");
    const environment = { CARILLON_FAILPOINT: "append.after:kill", NODE_ENV: "production" };
    expect(() => loadSettings(environment)).toThrow("CARILLON_FAILPOINT: fail points are for tests");
    loadSettings({ NODE_ENV: "test" });
    for (const text of ["append:kill", "append.after", "append.after:explode", "Append.after:kill"]) {
      expect(() => armFailPoint(text, true)).toThrow("a fail point is");
    }
    expect(() => failPoint("append.after")).not.toThrow();
  });
});
