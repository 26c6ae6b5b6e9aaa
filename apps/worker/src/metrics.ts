/** The metrics of a worker: the outcomes of requests, and how far its partitions are behind. */
import { Counter, createMetrics, Gauge, type Registry } from "@carillon/base/node";
import type { OwnerState } from "@carillon/bus";
import type { Verdict } from "./decide/decision";

export interface OwnedState extends OwnerState {
  partition: number;
}

export class WorkerMetrics {
  readonly registry: Registry;
  private readonly answers: Counter<"answer">;

  /** @param states of the partitions that are owned now */
  constructor(nodeId: string, states: () => OwnedState[]) {
    this.registry = createMetrics("worker", nodeId);
    const registers = [this.registry];
    this.answers = new Counter({
      name: "carillon_requests_total",
      help: "Requests that were answered: sent, repeated, or the name of the error",
      labelNames: ["answer"],
      registers,
    });
    new Gauge({
      name: "carillon_partitions_owned",
      help: "Partitions that this worker owns",
      registers,
      collect() {
        this.set(states().length);
      },
    });
    const perPartition = (name: string, help: string, of: (state: OwnedState) => number) =>
      new Gauge({
        ...{ name, help, registers, labelNames: ["partition"] },
        collect() {
          this.reset();
          for (const state of states()) this.set({ partition: state.partition }, of(state));
        },
      });
    const seconds = (ms = 0) => ms / 1_000;
    perPartition(
      "carillon_delivery_lag_seconds",
      "How long the oldest event that is in no inbox yet has waited",
      ({ fanoutLagMs }) => seconds(fanoutLagMs),
    );
    perPartition("carillon_delivery_stalled", "1 while inboxes cannot be filled", ({ fanoutStalled }) =>
      Number(fanoutStalled === true),
    );
    perPartition("carillon_requests_parked", "Requests that wait for an answer of MySQL", ({ parked = 0 }) => parked);
    perPartition("carillon_partition_epoch", "Epoch of the owner: rises with each take-over", ({ epoch }) => epoch);
  }

  count(verdicts: Pick<Verdict, "outcome">[]): void {
    for (const { outcome } of verdicts) {
      if ("error" in outcome) this.answers.inc({ answer: outcome.error.name });
      else this.answers.inc({ answer: outcome.sent.duplicate === true ? "repeated" : "sent" });
    }
  }
}
