/**
 * Groups that have changed in MySQL and whose conversations do not show it yet. Their facts are loaded apart from the rounds,
 * so that no message waits for them; the journey takes a group when its facts are there.
 */
export interface ChangedGroup<F> {
  groupId: string;
  facts: F;
  /** The conversation knows of the change now. */
  resolve(): void;
  reject(error: Error): void;
}

export class ChangedGroups<F> {
  private ready: ChangedGroup<F>[] = [];
  private isClosed = false;

  /**
   * @param load asks for a group and the last number of its conversation, newly
   * @param onReady called when a group can be taken
   */
  constructor(
    private readonly load: (groupId: string) => Promise<F>,
    private readonly onReady: () => void,
  ) {}

  get hasReady(): boolean {
    return this.ready.length > 0;
  }

  /** Resolves when the conversation knows of the change. @throws what `load` throws, or what the journey rejects with */
  async record(groupId: string): Promise<void> {
    const facts = await this.load(groupId);
    await new Promise<void>((resolve, reject) => {
      if (this.isClosed) return reject(new Error("the partition was given up"));
      this.ready.push({ groupId, facts, resolve, reject });
      this.onReady();
    });
  }

  takeReady(): ChangedGroup<F>[] {
    const { ready } = this;
    this.ready = [];
    return ready;
  }

  /** Nothing is told any more. @returns those that waited */
  close(): ChangedGroup<F>[] {
    this.isClosed = true;
    return this.takeReady();
  }
}
