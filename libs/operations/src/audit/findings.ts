/** The findings of an audit, and the counts of checked things. */
import type { Finding } from "./compare";

/** Maximum number of kept findings: one fault of a cluster can show in every conversation. */
const MOST_FINDINGS = 1_000;

/** Counts of checked things. */
export interface Checked {
  partitions: number;
  /** Conversations and rows of the archive. */
  conversations: number;
  rows: number;
  /** Records of the logs, and the events in them that the archive does not have yet. */
  records: number;
  unarchived: number;
  queues: number;
  inboxes: number;
}

export interface AuditDocument {
  ok: boolean;
  findings: Finding[];
  /** Number of findings that were left out because there are too many. */
  more: number;
  checked: Checked;
}

export class Findings {
  readonly checked: Checked = {
    ...{ partitions: 0, conversations: 0, rows: 0, records: 0, unarchived: 0, queues: 0, inboxes: 0 },
  };
  private readonly kept: Finding[] = [];
  private more = 0;

  /** @param progress called from time to time with the progress */
  constructor(readonly progress: (text: string) => void) {}

  add(findings: Finding[]): void {
    for (const finding of findings) {
      if (this.kept.length < MOST_FINDINGS) this.kept.push(finding);
      else this.more++;
    }
  }

  get document(): AuditDocument {
    const { kept: findings, more, checked } = this;
    return { ok: findings.length === 0, findings, more, checked };
  }
}
