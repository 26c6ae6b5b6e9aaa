import { spawn } from "node:child_process";
import { countUsage } from "./usage";

const sleeper = () => spawn("sleep", ["60"], { stdio: "ignore" });

test("a process that began meanwhile counts from its beginning, and a process that ended does not count", () => {
  const [first, second] = [sleeper(), sleeper()];
  try {
    let pids = [process.pid, first.pid!];
    const used = countUsage(() => new Map([["all", pids]]));
    pids = [process.pid, second.pid!];
    const { processes, cpu, resident, systemCalls } = used().get("all")!;
    expect(processes).toBe(2);
    expect(cpu).toBeLessThan(1_000_000);
    expect(resident).toBeGreaterThan(10);
    expect(systemCalls).toBeGreaterThan(0);
  } finally {
    first.kill();
    second.kill();
  }
});

test("a kind without processes has used nothing", () => {
  expect(countUsage(() => new Map([["none", []]]))().get("none")).toMatchObject({ processes: 0, cpu: 0 });
});
