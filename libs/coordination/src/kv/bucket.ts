/**
 * One KV bucket, with only those operations that decisions can rely on.
 *
 * A KV read may be stale and a watcher may miss an expiry (both measured). So writers decide by create and update(revision)
 * alone. `read` asks the leader of the stream. `list` may come from a replica that lags, and its type says so: callers compare
 * revisions. Writes never use `put` with a ttl of its own: the next update would drop that ttl, and the key would live for ever.
 * The bucket has one ttl for all its keys, and markers tell watchers of an expiry.
 *
 * Somebody may delete the bucket while it is in use. `ensure` creates it again; its revisions then start again, and `created`
 * shows that.
 */
import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  type StoredMsg,
} from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import type { MsgHdrs, NatsConnection } from "@nats-io/transport-node";

/** Another writer has written the key since the expected revision. */
export class RevisionConflict extends Error {
  constructor(key: string) {
    super(`${key} was written by another`);
    this.name = "RevisionConflict";
  }
}

/** The newest entry of a key. */
export interface Entry {
  key: string;
  revision: number;
  /** The value; empty when the key was deleted or has expired. */
  value: string;
  /** The reason for a missing value: its owner deleted it, or its ttl (or an operator) did. */
  ended?: "deleted" | "expired";
}

/** All keys, perhaps in a state of a moment ago. */
export interface Listing {
  /** Identity of the bucket's life: another value means that the bucket was deleted and created again. */
  created: string;
  entries: Entry[];
}

export interface BucketOptions {
  name: string;
  /** Life of a key after its last write, ms; absent: for ever. */
  ttlMs?: number;
  replicas: number;
  requestMs: number;
}

/** A running watch. */
export interface BucketWatch {
  /** Resolves when the watch has ended, for any reason. */
  ended: Promise<void>;
  stop(): void;
}

export class Bucket {
  private readonly stream: string;
  private ensuring: Promise<void> | undefined;

  private constructor(
    private readonly options: BucketOptions,
    private readonly connection: NatsConnection,
    private readonly jsm: JetStreamManager,
    private kv: KV,
  ) {
    this.stream = `KV_${options.name}`;
  }

  /** Opens the bucket; creates it when it does not exist. */
  static async open(connection: NatsConnection, options: BucketOptions): Promise<Bucket> {
    const jsm = await jetstreamManager(connection, { timeout: options.requestMs, checkAPI: false });
    return new Bucket(options, connection, jsm, await openKv(connection, options));
  }

  /** Creates the bucket again if it is gone; simultaneous calls share one check. */
  ensure(): Promise<void> {
    this.ensuring ??= openKv(this.connection, this.options)
      .then((kv) => {
        this.kv = kv;
      })
      .finally(() => {
        this.ensuring = undefined;
      });
    return this.ensuring;
  }

  /** @returns the revision. @throws RevisionConflict when the key has a value */
  create(key: string, value: string): Promise<number> {
    return decided(key, this.kv.create(key, value));
  }

  /** @returns the new revision. @throws RevisionConflict when the key's newest revision is another */
  update(key: string, value: string, revision: number): Promise<number> {
    return decided(key, this.kv.update(key, value, revision, this.options.requestMs));
  }

  /** Writes regardless of the present value: only for keys by which nothing is decided. */
  async put(key: string, value: string): Promise<void> {
    await this.kv.put(key, value);
  }

  /** @throws RevisionConflict when the key's newest revision is another */
  delete(key: string, revision: number): Promise<void> {
    return decided(key, this.kv.delete(key, { previousSeq: revision }));
  }

  /** Returns the newest entry, from the leader of the stream. */
  async read(key: string): Promise<Entry | undefined> {
    const message: StoredMsg | null = await this.jsm.streams.getMessage(this.stream, {
      last_by_subj: `$KV.${this.options.name}.${key}`,
    });
    return message === null ? undefined : this.entry(message.subject, message.seq, message.data, message.header);
  }

  /** Returns all keys by one request and without a consumer, so that every node can afford it every few seconds. */
  async list(): Promise<Listing> {
    const { created } = await this.jsm.streams.info(this.stream);
    const entries: Entry[] = [];
    const subject = `$KV.${this.options.name}.>`;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no listing of ${this.options.name}`)), this.options.requestMs);
      const finish = (error?: Error) => {
        clearTimeout(timer);
        // The answer for an empty bucket is 404.
        if (error !== undefined && (error as { code?: number }).code !== 404) reject(error);
        else resolve();
      };
      this.jsm.direct
        .getLastMessagesFor(this.stream, {
          multi_last: [subject],
          // With a callback the client ends its subscription; an iterator would leave one behind for each listing.
          callback: (done, message) => {
            if (done !== null) finish(done.err);
            else entries.push(this.entry(message.subject, message.seq, message.data, message.header));
          },
        })
        .catch(finish);
    });
    return { created: String(created), entries };
  }

  /** Reports all present entries, then every change. A watch can miss an expiry and can fall silent, so callers list as well. */
  async watch(onEntry: (entry: Entry) => void): Promise<BucketWatch> {
    const iterator = await this.kv.watch();
    const follow = async () => {
      for await (const { key, revision, operation, value } of iterator) {
        const ended = operation === "PUT" ? undefined : operation === "DEL" ? "deleted" : "expired";
        onEntry({ key, revision, value: text(value), ...(ended && { ended }) });
      }
    };
    return { ended: follow().catch(() => {}), stop: () => iterator.stop() };
  }

  private entry(subject: string, revision: number, data: Uint8Array, header: MsgHdrs | undefined): Entry {
    const key = subject.slice(`$KV.${this.options.name}.`.length);
    const operation = header?.get("KV-Operation") ?? "";
    const marker = header?.get("Nats-Marker-Reason") ?? "";
    if (operation === "DEL") return { key, revision, value: "", ended: "deleted" };
    if (operation === "PURGE" || marker !== "") return { key, revision, value: "", ended: "expired" };
    return { key, revision, value: text(data) };
  }
}

function openKv(connection: NatsConnection, { name, ttlMs, replicas, requestMs }: BucketOptions): Promise<KV> {
  return new Kvm(jetstream(connection, { timeout: requestMs })).create(name, {
    history: 1,
    replicas,
    allow_direct: true,
    // A marker lives as long as a record: a watcher that begins later does not need it.
    ...(ttlMs !== undefined && { ttl: ttlMs, markerTTL: Math.max(1_000, ttlMs) }),
  });
}

function text(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}

async function decided<T>(key: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const code = error instanceof JetStreamApiError ? error.code : undefined;
    const isConflict =
      code === JetStreamApiCodes.StreamWrongLastSequence || code === JetStreamApiCodes.StreamWrongLastSequenceUnknown;
    throw isConflict ? new RevisionConflict(key) : error;
  }
}
