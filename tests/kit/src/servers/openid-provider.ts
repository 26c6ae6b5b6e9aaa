/** A real OpenID provider as a process of its own, and a browser that logs people in there. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { findCheckout, findFreePorts } from "@carillon/local";

export const OIDC_CLIENT = { clientId: "carillon", clientSecret: "a secret of the provider's client" };

export class TestOpenIdProvider {
  private child: ChildProcess | undefined;

  private constructor(
    private readonly port: number,
    private readonly callbackUrl: string,
  ) {}

  /** @param callbackUrl of the api; the provider ends with this process */
  static async start(callbackUrl: string): Promise<TestOpenIdProvider> {
    const [port] = await findFreePorts(1);
    const provider = new TestOpenIdProvider(port!, callbackUrl);
    await provider.resume();
    return provider;
  }

  get issuer(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts it again after `stop`, at the same address. */
  async resume(): Promise<void> {
    const program = path.join(findCheckout(), "tests/kit/programs/openid-provider.mjs");
    const { port, callbackUrl } = this;
    this.child = fork(program, [JSON.stringify({ ...OIDC_CLIENT, port, callbackUrl })], { stdio: "ignore" });
    await once(this.child, "message");
  }

  async stop(): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null) return;
    const ended = once(child, "exit");
    child.disconnect();
    await ended;
  }
}

/** A page to which the browser came. */
export interface Visited {
  status: number;
  url: URL;
  text: string;
}

const MOST_STEPS = 20;

/** Follows links and keeps cookies, as a browser does; its pages are text. */
export class TestBrowser {
  /** By origin and name. */
  private readonly cookies = new Map<string, string>();

  /**
   * Opens an address and follows where it leads.
   * @param until an address that begins so is not opened, because nothing serves it: it is returned with the status 0
   */
  async open(address: string, until: string, body?: Record<string, string>): Promise<Visited> {
    let url = new URL(address);
    let form = body;
    for (let step = 0; step < MOST_STEPS; step++) {
      if (url.href.startsWith(until)) return { status: 0, url, text: "" };
      const answer = await this.fetch(url, form);
      const location = answer.headers.get("location");
      if (location === null) return { status: answer.status, url, text: await answer.text() };
      url = new URL(location, url);
      form = undefined;
    }
    throw new Error(`the way from ${address} has no end`);
  }

  /** Logs in at the provider's page, and consents. @returns where the browser came in the end */
  async logIn(address: string, name: string, until: string): Promise<Visited> {
    let page = await this.open(address, until);
    for (let step = 0; step < 2 && page.url.pathname.startsWith("/interaction/"); step++) {
      const prompt = /name="prompt" value="(\w+)"/.exec(page.text)?.[1] ?? "";
      page = await this.open(page.url.href, until, { prompt, login: name, password: "any" });
    }
    return page;
  }

  private async fetch(url: URL, form: Record<string, string> | undefined): Promise<Response> {
    const beginning = `${url.origin} `;
    const cookie = [...this.cookies].flatMap(([key, text]) => (key.startsWith(beginning) ? [text] : [])).join("; ");
    const answer = await fetch(url, {
      redirect: "manual",
      headers: cookie === "" ? {} : { cookie },
      ...(form === undefined ? {} : { method: "POST", body: new URLSearchParams(form) }),
    });
    for (const line of answer.headers.getSetCookie()) {
      const [text = ""] = line.split(";");
      this.cookies.set(beginning + text.split("=")[0], text);
    }
    return answer;
  }
}
