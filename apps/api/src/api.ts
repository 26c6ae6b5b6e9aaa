/** An api's parts, its HTTP server and its jobs; main.ts gives it the connections to the world. */
import { Certificate } from "@carillon/base/node";
import { apiSender, DownlinkSender, type PresentNodes } from "@carillon/bus";
import type { FastifyInstance } from "fastify";
import { BROADCAST_EVERY_MS, carryOnBroadcasts } from "./jobs/broadcasts";
import { FILE_USERS_EVERY_MS, FILE_USERS_FIRST_MS, fileUsers } from "./jobs/file-users";
import { HOUSEKEEPING_EVERY_MS, HOUSEKEEPING_FIRST_MS, keepHouse } from "./jobs/housekeeping";
import { leaderSpreader, SPREAD_EVERY_MS } from "./jobs/leader-spread";
import { LeaseJob, type LeaseJobOptions } from "./jobs/lease-job";
import { RELAY_EVERY_MS, relayGroups } from "./jobs/relay";
import { deleteExpired, RETENTION_EVERY_MS, RETENTION_FIRST_MS } from "./jobs/retention";
import { type ApiParts, type Connections, makeParts } from "./parts";
import { QueryService } from "./reading/query-service";
import { buildServer } from "./server";

/** Most time for NATS to say that it has what was put into the queues. */
const STOP_MS = 2_000;

export class Api {
  private readonly downlink: DownlinkSender;
  private readonly parts: ApiParts;
  private readonly queries: QueryService;
  private readonly broadcasts: LeaseJob;
  private readonly jobs: LeaseJob[];
  private server: FastifyInstance | undefined;
  private certificate: Certificate | undefined;

  constructor(private readonly connections: Omit<Connections, "downlink">) {
    const { bus, config } = connections;
    this.downlink = new DownlinkSender(bus, apiSender(config.nodeId));
    this.parts = makeParts({ ...connections, downlink: this.downlink });
    this.queries = new QueryService(bus, this.parts);
    this.broadcasts = this.job("broadcasts", {
      everyMs: BROADCAST_EVERY_MS,
      work: (signal) => carryOnBroadcasts(this.parts, signal),
    });
    this.jobs = [this.broadcasts, ...this.otherJobs()];
  }

  /** Takes over which nodes there are. */
  setNodes(nodes: PresentNodes): void {
    this.parts.changes.setNodes(nodes);
  }

  /** Forgets the failed log-ins of a user. */
  unlock(userId: string): void {
    this.parts.loginLimits.unlock(userId);
  }

  /** @returns the address of the HTTP server, `http://host:port` or `https://host:port` */
  async start(): Promise<string> {
    const { host, port, tls } = this.connections.config.api;
    if (tls !== undefined) this.certificate = new Certificate("api.tls", tls, this.connections.bus.logger);
    this.server = await buildServer(this.parts, this.broadcasts, this.certificate);
    this.downlink.start();
    this.parts.messages.start();
    this.queries.start();
    for (const job of this.jobs) job.start();
    return this.server.listen({ host, port });
  }

  /** Finishes the requests under way. */
  async stop(): Promise<void> {
    this.queries.stop();
    await Promise.all(this.jobs.map((job) => job.stop()));
    await this.server?.close();
    this.certificate?.stop();
    this.parts.issuers.stop();
    await this.parts.messages.stop(STOP_MS);
    this.downlink.stop();
  }

  private otherJobs(): LeaseJob[] {
    const { parts } = this;
    const { bus, config, partitions } = this.connections;
    const jobs = [
      this.job("group-relay", { everyMs: RELAY_EVERY_MS, work: (signal) => relayGroups(parts, signal) }),
      this.job("housekeeping", {
        firstMs: HOUSEKEEPING_FIRST_MS,
        everyMs: HOUSEKEEPING_EVERY_MS,
        work: (signal) => keepHouse(parts, signal),
      }),
      this.job("user-names", {
        firstMs: FILE_USERS_FIRST_MS,
        everyMs: FILE_USERS_EVERY_MS,
        work: (signal) => fileUsers(parts.mysql, signal),
      }),
    ];
    // Without retention, messages are kept for ever.
    if (config.retention.days > 0) {
      const work = (signal: AbortSignal) => deleteExpired(parts, signal);
      jobs.push(this.job("retention", { firstMs: RETENTION_FIRST_MS, everyMs: RETENTION_EVERY_MS, work }));
    }
    // A single NATS server leads everything.
    const calmMs = config.api.spreadLeadersSeconds * 1_000;
    if (config.nats.replicas > 1 && calmMs > 0) {
      const work = leaderSpreader({ bus, partitions, calmMs });
      jobs.push(this.job("nats-leaders", { everyMs: SPREAD_EVERY_MS, work }));
    }
    return jobs;
  }

  /** A job that one of all apis does at a time, by the lease of its name. */
  private job(name: string, options: Omit<LeaseJobOptions, "lease" | "onFailure">): LeaseJob {
    const { bus, boot, config, coordination } = this.connections;
    const lease = coordination.lease(name, `${config.nodeId}.${boot}`);
    const onFailure = (err: Error) => bus.logger.info({ err, job: name }, "a job failed and is repeated later");
    return new LeaseJob({ ...options, lease, onFailure });
  }
}
