import type { ProcessGuard } from "../processes/guard";
import type { ProcessIdentity } from "../processes/identity";
import type { ExitReason } from "../processes/managed-process";
import type { ServerBinaries } from "../provision/provision";

/** What every private server takes. */
export interface ServerOptions {
  /** Holds its configuration, data and log; made when missing. Data found there is used again. */
  directory: string;
  /** TCP port on 127.0.0.1; default: a free one. */
  port?: number;
  /** Default: a random one; must be the same as before for a directory that was used before. */
  password?: string;
  /** Default: found or unpacked by `provisionServer`. */
  binaries?: ServerBinaries;
  /** Ends the server when this process ends, even by kill -9. */
  guard?: ProcessGuard;
  /** Told of each new process, at start and restart, before it is ready. */
  onSpawn?: (identity: ProcessIdentity) => void;
  /** Default: `server.log` in the directory. */
  logFile?: string;
}

/** A running private server. Its address stays the same over restarts. */
export interface LocalServer {
  readonly name: string;
  /** With credentials. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly password: string;
  readonly directory: string;
  /** Undefined while it is down. */
  readonly pid: number | undefined;
  /** Starts it again after `kill`, a crash or `stop`. */
  start(): Promise<void>;
  /** Gentle end, hard after some seconds. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** SIGSTOP. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** Ends not asked for by `stop`; returns a function that ends the telling. */
  onUnexpectedExit(listener: (reason: ExitReason) => void): () => void;
}
