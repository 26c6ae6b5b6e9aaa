import type { ProcessIdentity } from "@carillon/base/process-lock";
import type { ProcessGuard } from "../processes/guard";
import type { ExitReason } from "../processes/managed-process";
import type { ServerBinaries } from "../provision/provision";

/** The options of every private server. */
export interface ServerOptions {
  /** Folder of its configuration, data and log; it is created when missing, and existing data is used again. */
  directory: string;
  /** TCP port on 127.0.0.1; default: a free one. */
  port?: number;
  /** Default: a random password; a directory that was used before needs the same password. */
  password?: string;
  /** Further accounts in the words of the server's configuration; default: only the administrator's. */
  accounts?: string;
  /** The certificate of the server, PEM files: it then refuses connections in plain text. */
  tls?: { certFile: string; keyFile: string };
  /** Default: found or unpacked by `provisionServer`. */
  binaries?: ServerBinaries;
  /** Ends the server when this process ends, even by kill -9. */
  guard?: ProcessGuard;
  /** Called with each new process, at start and restart, before it is ready. */
  onSpawn?: (identity: ProcessIdentity) => void;
  /** Default: `server.log` in the directory. */
  logFile?: string;
}

/** A running private server. Its address stays the same across restarts. */
export interface LocalServer {
  readonly name: string;
  /** With credentials. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly password: string;
  readonly directory: string;
  /** Undefined while the server is down. */
  readonly pid: number | undefined;
  /** Starts the server again after `kill`, a crash or `stop`. */
  start(): Promise<void>;
  /** Stops the server, by SIGKILL after some seconds. */
  stop(): Promise<void>;
  /** Kills the server by SIGKILL. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** Pauses the server by SIGSTOP. */
  pause(): void;
  /** Continues the server by SIGCONT. */
  resume(): void;
  /** Calls the listener after every end that `stop` did not cause. @returns an unsubscribe function */
  onUnexpectedExit(listener: (reason: ExitReason) => void): () => void;
}
