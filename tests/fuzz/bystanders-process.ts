/** The bystanders in a process of their own: what they measure is the cluster, not how busy the attackers are. */
import { peopleAt } from "@carillon/testkit";
import { Bystanders, type Latencies } from "./bystanders";

export type Order = { open: string } | { ask: "latencies" } | { ask: "stop" };

/** `fault` comes at any time, one of the others for each order. */
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
