/** Controls the bystanders in the other process. */
import { type ChildProcess, fork } from "node:child_process";
import path from "node:path";
import type { Latencies } from "./bystanders";
import type { Order, Report } from "./bystanders-process";

const PROGRAM = path.join(__dirname, "bystanders-process.ts");

export class DistantBystanders {
  private answer: (report: Report) => void = () => {};
  private fail: (error: Error) => void = () => {};

  private constructor(
    private readonly child: ChildProcess,
    onFault: (why: string) => void,
  ) {
    child.on("message", (report: Report) => ("fault" in report ? onFault(report.fault) : this.answer(report)));
    child.on("exit", (code) => this.fail(new Error(`the bystanders' process ended with ${code}`)));
  }

  /** @param api address of the cluster's api; @param onFault called when a bystander was disturbed */
  static async open(api: string, onFault: (why: string) => void): Promise<DistantBystanders> {
    const child = fork(PROGRAM, [], { execArgv: ["--import", "tsx"] });
    const bystanders = new DistantBystanders(child, onFault);
    await bystanders.order({ open: api });
    return bystanders;
  }

  /** Returns the times since the last call. */
  async takeLatencies(): Promise<Latencies> {
    return ((await this.order({ ask: "latencies" })) as { latencies: Latencies }).latencies;
  }

  /** Stops the bystanders, and ends their process. @returns the number of messages that never came */
  async stop(): Promise<number> {
    const { lost } = (await this.order({ ask: "stop" })) as { lost: number };
    this.fail = () => {};
    this.child.disconnect();
    return lost;
  }

  private order(order: Order): Promise<Report> {
    return new Promise((resolve, reject) => {
      this.answer = resolve;
      this.fail = reject;
      this.child.send(order);
    });
  }
}
