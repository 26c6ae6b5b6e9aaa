/** The bystanders in a process of their own, so that they measure the cluster and not the load of the attackers. */
import { peopleAt } from "@carillon/testkit";
import { Bystanders, type Latencies } from "./bystanders";

export type Order = { open: string } | { ask: "latencies" } | { ask: "stop" };

/** A `fault` may come at any time; each order gets one of the other reports. */
export type Report = { fault: string } | { opened: true } | { latencies: Latencies } | { lost: number };

let bystanders: Bystanders | undefined;

async function follow(order: Order): Promise<Report> {
  if ("open" in order) {
    bystanders = await Bystanders.open(
      peopleAt(() => order.open),
      (fault) => say({ fault }),
    );
    return { opened: true };
  }
  return order.ask === "latencies" ? { latencies: bystanders!.takeLatencies() } : { lost: await bystanders!.stop() };
}

function say(report: Report): void {
  process.send!(report);
}

process.once("disconnect", () => process.exit());
process.on("message", (order: Order) => {
  follow(order).then(say, (error: Error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  });
});
