/**
 * A certificate authority of this machine, and a certificate for the gateways and apis of a local cluster. A data directory
 * keeps both: whoever trusts the authority once trusts every later certificate.
 */
import { randomBytes, webcrypto, X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { X509Certificate as Certificate } from "@peculiar/x509";
import { writeTextAtomically } from "../processes/atomic-file";

/** PEM files. */
export interface LocalCertificates {
  /** The authority: clients must trust it. */
  caFile: string;
  certFile: string;
  keyFile: string;
}

const DAY_MS = 24 * 3_600_000;
const AUTHORITY_DAYS = 3_650;
/** Browsers refuse certificates of servers that are good for longer than 398 days. */
const SERVER_DAYS = 397;
/** A certificate that expires within this time is replaced at the next start. */
const RENEW_DAYS = 30;
const KEY = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" } as const;
const NAMES = [
  { type: "dns", value: "localhost" },
  { type: "ip", value: "127.0.0.1" },
  { type: "ip", value: "::1" },
] as const;

/** Loading the library takes a moment, which only a cluster with TLS needs. */
const loadX509 = () => import("@peculiar/x509");
type X509 = Awaited<ReturnType<typeof loadX509>>;

/** Creates what is missing in a directory, and replaces what expires soon. */
export async function makeCertificates(directory: string): Promise<LocalCertificates> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = (name: string) => path.join(directory, name);
  const files = { caFile: file("ca.pem"), certFile: file("server.pem"), keyFile: file("server-key.pem") };
  const x509 = await loadX509();
  x509.cryptoProvider.set(webcrypto as never);
  const authority = await loadAuthority(x509, files.caFile, file("ca-key.pem"));
  if (authority.isNew || !isGood(files.certFile, RENEW_DAYS)) await issue(x509, authority, files);
  return files;
}

interface Authority {
  certificate: Certificate;
  key: webcrypto.CryptoKey;
  isNew: boolean;
}

async function loadAuthority(x509: X509, certFile: string, keyFile: string): Promise<Authority> {
  if (isGood(certFile, SERVER_DAYS) && existsSync(keyFile)) {
    const pkcs8 = x509.PemConverter.decodeFirst(readFileSync(keyFile, "utf8"));
    const key = await webcrypto.subtle.importKey("pkcs8", pkcs8, KEY, false, ["sign"]);
    return { certificate: new x509.X509Certificate(readFileSync(certFile, "utf8")), key, isNew: false };
  }
  const { BasicConstraintsExtension, KeyUsageFlags, KeyUsagesExtension } = x509;
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...validFor(AUTHORITY_DAYS),
    name: `CN=Carillon on this machine ${randomBytes(3).toString("hex")}`,
    keys,
    signingAlgorithm: SIGNATURE,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  await writePair(x509, certFile, certificate, keyFile, keys.privateKey);
  return { certificate, key: keys.privateKey, isNew: true };
}

async function issue(
  x509: X509,
  { certificate, key }: Authority,
  { certFile, keyFile }: LocalCertificates,
): Promise<void> {
  const { BasicConstraintsExtension, KeyUsageFlags, KeyUsagesExtension } = x509;
  const keys = await newKeys();
  const issued = await x509.X509CertificateGenerator.create({
    ...validFor(SERVER_DAYS),
    subject: "CN=localhost",
    issuer: certificate.subject,
    publicKey: keys.publicKey,
    signingKey: key,
    signingAlgorithm: SIGNATURE,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension([...NAMES]),
    ],
  });
  await writePair(x509, certFile, issued, keyFile, keys.privateKey);
}

/** The clocks of this machine's clients may be a little behind. */
function validFor(days: number) {
  const now = Date.now();
  const serialNumber = randomBytes(16).toString("hex");
  return { serialNumber, notBefore: new Date(now - DAY_MS), notAfter: new Date(now + days * DAY_MS) };
}

const newKeys = () => webcrypto.subtle.generateKey(KEY, true, ["sign", "verify"]);

/** The key first: a certificate that is there belongs to the key that is there. */
async function writePair(
  { PemConverter }: X509,
  certFile: string,
  certificate: Certificate,
  keyFile: string,
  key: webcrypto.CryptoKey,
): Promise<void> {
  const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", key);
  writeTextAtomically(keyFile, `${PemConverter.encode(pkcs8, "PRIVATE KEY")}\n`);
  writeTextAtomically(certFile, `${certificate.toString("pem")}\n`);
}

/** Whether a file holds a certificate that is good for some more days. */
function isGood(file: string, days: number): boolean {
  if (!existsSync(file)) return false;
  try {
    return Date.parse(new X509Certificate(readFileSync(file)).validTo) - Date.now() > days * DAY_MS;
  } catch {
    return false;
  }
}
