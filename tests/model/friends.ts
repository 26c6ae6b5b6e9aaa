/** Relations between people, by the rules of the protocol alone. Both people change a row; a block changes the blocker's row only. */

export type Standing = "none" | "requested" | "asked" | "friend" | "blocked";

const MIRROR: Record<Standing, Standing> = {
  none: "none",
  requested: "asked",
  asked: "requested",
  friend: "friend",
  blocked: "none",
};

export class Friends {
  private readonly rows = new Map<string, Standing>();

  get(who: number, whom: number): Standing {
    return this.rows.get(`${who} ${whom}`) ?? "none";
  }

  /** Changes both rows as an operation would. @returns "ok" or the name of the error */
  change(kind: "ask" | "accept" | "reject" | "unfriend" | "block" | "unblock", who: number, whom: number): string {
    const own = this.get(who, whom);
    switch (kind) {
      case "ask":
        if (own === "blocked") return "BLOCKED";
        if (own === "asked") return this.set(who, whom, "friend", "friend");
        return own === "none" ? this.set(who, whom, "requested", "asked") : "ok";
      case "accept":
        if (own === "friend") return "ok";
        return own === "asked" ? this.set(who, whom, "friend", "friend") : "NOT_FOUND";
      case "reject":
        if (own === "none") return "ok";
        return own === "asked" ? this.set(who, whom, "none", "none") : "NOT_FOUND";
      case "unfriend":
        if (own === "none") return "ok";
        return own === "friend" || own === "requested" ? this.set(who, whom, "none", "none") : "NOT_FOUND";
      case "block":
        return this.set(who, whom, "blocked");
      case "unblock":
        return own === "blocked" ? this.set(who, whom, MIRROR[this.get(whom, who)]) : "ok";
    }
  }

  /** Judges whether a message is allowed. @returns the name of the error, or undefined */
  refuse(who: number, whom: number): string | undefined {
    if (this.get(who, whom) === "blocked") return "BLOCKED";
    return this.get(whom, who) === "friend" ? undefined : "NOT_FRIENDS";
  }

  /** A block is silent: the row of the person who has blocked stays. */
  private set(who: number, whom: number, own: Standing, other?: Standing): "ok" {
    this.rows.set(`${who} ${whom}`, own);
    if (other !== undefined && this.get(whom, who) !== "blocked") this.rows.set(`${whom} ${who}`, other);
    return "ok";
  }
}
