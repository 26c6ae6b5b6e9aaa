/** The server's clock, as told at CONNECT: ids of messages are dated by it, whatever this device thinks the time is. */
export class ServerClock {
  private origin: number | undefined;
  private announce: () => void = () => {};
  private readonly told = new Promise<void>((resolve) => {
    this.announce = resolve;
  });

  /** @param serverTime ms since the Unix epoch, read from an answer that came just now */
  adjust(serverTime: number): void {
    this.origin = serverTime - performance.now();
    this.announce();
  }

  get isKnown(): boolean {
    return this.origin !== undefined;
  }

  /** Resolves when the server has told its time; at once after that. */
  known(): Promise<void> {
    return this.told;
  }

  /** ms since the Unix epoch. */
  now(): number {
    return this.origin === undefined ? Date.now() : Math.floor(this.origin + performance.now());
  }
}
