import { hash } from "node:crypto";

/** Digest of what makes a repeated request the same request: its kind and body. 16 characters. */
export function digestOf(contentType: string, content: string): string {
  return hash("sha1", `message ${contentType} ${content}`, "base64").slice(0, 16);
}

/** Digest of a RECALL, whose body is the number that it takes back. */
export function digestOfRecall(targetSeq: number): string {
  return digestOf("recall", String(targetSeq));
}
