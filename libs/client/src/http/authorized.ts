/** Requests over HTTP in the name of the user; the client gets a fresh token if the server refuses the present one. */
import { CarillonError } from "@carillon/protocol";
import type { Api, HttpApi, HttpRequest } from "./http-api";
import type { Tokens } from "./tokens";

export class AuthorizedApi implements Api {
  constructor(
    private readonly api: HttpApi,
    private readonly tokens: Pick<Tokens, "access" | "renew">,
  ) {}

  async call<T>(method: string, path: string, request: Omit<HttpRequest, "token"> = {}): Promise<T> {
    const callWith = (token: string) => this.api.call<T>(method, path, { ...request, token });
    try {
      return await callWith(await this.tokens.access());
    } catch (error) {
      if (!(error instanceof CarillonError) || error.retry !== "after-auth") throw error;
      return callWith(await this.tokens.renew());
    }
  }
}

/** Encodes an id as one step of a path. */
export const step = (id: string): string => encodeURIComponent(id);
