/**
 * The certificate of a server. The process reads its files again when they change, and on SIGHUP: connections that are open
 * keep the old certificate, new connections get the new one.
 */
import { X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createSecureContext, type SecureContextOptions, type TlsOptions } from "node:tls";
import { guarded } from "../../boundary";
import type { Logger } from "../logger";
import { SettingsError } from "../settings-error";

/** PEM files of a server. */
export interface CertificateFiles {
  /** The certificate, with the certificates between it and its authority. */
  certFile: string;
  keyFile: string;
  /** The authority that signs the certificates of clients; with it, each client must show one. */
  caFile?: string;
}

/** Interval of the check whether a file has changed, ms. */
const LOOK_MS = 10_000;
/** The logs warn when a certificate expires within this time, ms. */
const SOON_MS = 14 * 24 * 3_600_000;
const OLDEST_VERSION = "TLSv1.2";

/** A server that can change its certificate while it runs: of node:tls or node:https. */
interface SecureServer {
  setSecureContext(options: SecureContextOptions): void;
}

export class Certificate {
  private readonly servers = new Set<SecureServer>();
  private readonly timer: NodeJS.Timeout;
  private current: SecureContextOptions;
  private version: string;

  /**
   * @param setting its name, for messages: `gateway.listeners[0].tls`
   * @throws SettingsError that names the file that is missing, or says what does not fit
   */
  constructor(
    private readonly setting: string,
    private readonly files: CertificateFiles,
    private readonly logger: Pick<Logger, "info" | "warn" | "error">,
  ) {
    this.version = this.stamp();
    this.current = this.read();
    const look = () => this.reload(this.stamp() !== this.version);
    this.timer = setInterval(guarded("timer", look), LOOK_MS);
    this.timer.unref();
    process.on("SIGHUP", this.onHangUp);
  }

  /** The options with which a server begins. */
  get options(): TlsOptions {
    const asks = this.files.caFile !== undefined;
    return { ...this.current, requestCert: asks, rejectUnauthorized: asks };
  }

  /** Gives this server each later certificate. */
  follow(server: SecureServer): void {
    this.servers.add(server);
  }

  stop(): void {
    clearInterval(this.timer);
    process.off("SIGHUP", this.onHangUp);
    this.servers.clear();
  }

  private readonly onHangUp = () => this.reload(true);

  /** A file that cannot be read, or does not fit the others yet, changes nothing: the next check reads it again. */
  private reload(hasChanged: boolean): void {
    if (!hasChanged) return;
    const version = this.stamp();
    try {
      this.current = this.read();
    } catch (error) {
      this.logger.error({ err: error }, "the certificate could not be renewed, the one in use stays");
      return;
    }
    this.version = version;
    for (const server of this.servers) server.setSecureContext(this.current);
    this.logger.info({ setting: this.setting }, "the certificate was read again");
  }

  /** Changes whenever one of the files does. */
  private stamp(): string {
    return this.paths()
      .map(([, file]) => statSync(file, { throwIfNoEntry: false }))
      .map((stat) => `${stat?.ino} ${stat?.size} ${stat?.mtimeMs}`)
      .join();
  }

  private read(): SecureContextOptions {
    const { cert, key, ...rest } = Object.fromEntries(
      this.paths().map(([name, file]) => [name, this.readFile(name, file)]),
    );
    const options = { ...rest, cert: cert!, key: key!, minVersion: OLDEST_VERSION } as const;
    try {
      createSecureContext(options);
      this.warnOfExpiry(new X509Certificate(cert!));
    } catch (error) {
      throw new SettingsError(`${this.setting}: ${(error as Error).message} (${this.files.certFile})`);
    }
    return options;
  }

  private paths(): [string, string][] {
    const { certFile, keyFile, caFile } = this.files;
    return [
      ["cert", certFile],
      ["key", keyFile],
      ...(caFile === undefined ? [] : [["ca", caFile] as [string, string]]),
    ];
  }

  private readFile(name: string, file: string): string {
    try {
      return readFileSync(file, "utf8");
    } catch (error) {
      throw new SettingsError(`${this.setting}.${name}File: cannot read ${file}: ${(error as Error).message}`);
    }
  }

  private warnOfExpiry({ validTo }: X509Certificate): void {
    if (Date.parse(validTo) - Date.now() > SOON_MS) return;
    this.logger.warn({ file: this.files.certFile, validTo }, "the certificate expires soon, or has expired");
  }
}
