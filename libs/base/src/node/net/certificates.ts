/**
 * The certificate of a server. The process reads its files again when they change, and on SIGHUP: connections that are open
 * keep the old certificate, new connections get the new one.
 */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext, type SecureContextOptions, type TlsOptions } from "node:tls";
import { WatchedFiles } from "../files/watched-files";
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

/** The logs warn when a certificate expires within this time, ms. */
const SOON_MS = 14 * 24 * 3_600_000;
const OLDEST_VERSION = "TLSv1.2";

/** A server that can change its certificate while it runs: of node:tls or node:https. */
interface SecureServer {
  setSecureContext(options: SecureContextOptions): void;
}

export class Certificate {
  private readonly servers = new Set<SecureServer>();
  private readonly watched: WatchedFiles;
  private current: SecureContextOptions;

  /**
   * @param setting its name, for messages: `gateway.listeners[0].tls`
   * @throws SettingsError that names the file that is missing, or says what does not fit
   */
  constructor(
    private readonly setting: string,
    private readonly files: CertificateFiles,
    private readonly logger: Pick<Logger, "info" | "warn" | "error">,
  ) {
    this.current = this.read();
    this.watched = new WatchedFiles({
      what: "the certificate",
      files: this.paths().map(([, file]) => file),
      logger,
      read: () => this.renew(),
    });
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
    this.watched.stop();
    this.servers.clear();
  }

  private renew(): void {
    this.current = this.read();
    for (const server of this.servers) server.setSecureContext(this.current);
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
