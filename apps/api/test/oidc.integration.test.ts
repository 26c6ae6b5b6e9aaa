/** Log-in by a real OpenID provider, and what is refused on the way. */
import { createHash } from "node:crypto";
import { randomId } from "@carillon/base";
import { findFreePorts } from "@carillon/local";
import { OIDC_CLIENT, TestBrowser, TestOpenIdProvider, type Visited } from "@carillon/testkit";
import { OpenIdProvider } from "../src/auth/oidc/provider";
import type { OidcSettings } from "../src/config";
import { failure, TestApi } from "./fixtures/test-api";

const PAGE = "https://app.example/welcome";
const APP = "org.example.chat:/welcome";

let provider: TestOpenIdProvider;
let at: TestApi;
let oidc: OidcSettings;
let addresses = 0;

beforeAll(async () => {
  const [port] = await findFreePorts(1);
  const callbackUrl = `http://127.0.0.1:${port}/v1/oidc/callback`;
  provider = await TestOpenIdProvider.start(callbackUrl);
  oidc = {
    ...OIDC_CLIENT,
    issuer: provider.issuer,
    callbackUrl,
    clientAuthentication: "client_secret_basic",
    returnTo: [PAGE, APP],
    scopes: ["openid", "profile"],
    userClaim: "sub",
    nameClaim: "name",
    createUsers: true,
    operatorClaim: "groups",
    operatorValues: ["chat-operators"],
  };
  at = await TestApi.start((config) => ({
    ...config,
    api: { ...config.api, port: port! },
    limits: { ...config.limits, registrationsPerMinute: 1_000 },
    oidc,
  }));
}, 120_000);
afterAll(async () => {
  await at?.stop();
  await provider?.stop();
});

/** A page of an app with its secret. */
class Page {
  readonly verifier = randomId(64);
  readonly challenge = createHash("sha256").update(this.verifier).digest("base64url");

  login(query: Record<string, string> = {}): string {
    return `${at.address}/v1/oidc/login?${new URLSearchParams({ challenge: this.challenge, ...query })}`;
  }

  redeem(code: string, change: object = {}) {
    const body = { code, verifier: this.verifier, deviceId: "phone", platform: "web", ...change };
    return at.http("POST", "/v1/oidc/sessions", { body, from: `10.7.0.${++addresses}` });
  }
}

const fragment = ({ url }: Visited) => Object.fromEntries(new URLSearchParams(url.hash.slice(1)));

/** The address of the callback with the provider's answer, which the browser has not opened yet. */
async function answered(browser: TestBrowser, page: Page, name: string, change: Record<string, string> = {}) {
  const begun = await browser.open(page.login(), provider.issuer);
  for (const [key, value] of Object.entries(change)) begun.url.searchParams.set(key, value);
  const { url } = await browser.logIn(begun.url.href, name, `${at.address}/v1/oidc/callback`);
  return url;
}

/** Opens the callback as the browser would. */
async function comesBack(browser: TestBrowser, url: URL): Promise<Visited> {
  return browser.open(url.href, PAGE);
}

test("a person logs in, gets an account, and the same tokens as by password", async () => {
  const [browser, page] = [new TestBrowser(), new Page()];
  const name = at.newId("ann");
  const came = await browser.logIn(page.login(), name, PAGE);
  expect(came.url.href.split("#")[0]).toBe(PAGE);
  const { code } = fragment(came);
  const { status, body } = await page.redeem(code!);
  expect(status).toBe(200);
  expect(body).toEqual({
    userId: name,
    accessToken: expect.any(String),
    refreshToken: expect.any(String),
    expiresIn: 900,
  });
  expect((await at.me(body.accessToken)).body).toMatchObject({ userId: name, displayName: `The ${name}` });
  const { body: again } = await at.refresh(body.refreshToken);
  expect((await at.me(again.accessToken)).status).toBe(200);
  // A second log-in of the same browser meets the same account, and an app has an address of its own.
  const second = await browser.logIn(page.login({ returnTo: APP }), name, APP);
  expect((await page.redeem(fragment(second)["code"]!)).body.userId).toBe(name);
});

test("the provider decides who is an operator, at each log-in", async () => {
  const page = new Page();
  const name = at.newId("op");
  const logIn = async () => {
    const came = await new TestBrowser().logIn(page.login(), name, PAGE);
    return (await page.redeem(fragment(came)["code"]!)).body.accessToken as string;
  };
  expect((await at.http("GET", "/v1/admin/users", { token: await logIn() })).status).toBe(200);
  const other = at.newId("ann");
  const came = await new TestBrowser().logIn(page.login(), other, PAGE);
  const { accessToken } = (await page.redeem(fragment(came)["code"]!)).body;
  expect(await at.http("GET", "/v1/admin/users", { token: accessToken })).toEqual(failure("FORBIDDEN"));
  await at.mysql.users.setRole(other, "operator");
  expect((await at.http("GET", "/v1/admin/users", { token: accessToken })).status).toBe(200);
  await new TestBrowser().logIn(page.login(), other, PAGE);
  expect(await at.http("GET", "/v1/admin/users", { token: accessToken })).toEqual(failure("FORBIDDEN"));
});

test("two log-ins of one browser at once both succeed", async () => {
  const browser = new TestBrowser();
  const pages = [new Page(), new Page()];
  const names = pages.map(() => at.newId("two"));
  const first = await answered(browser, pages[0]!, names[0]!);
  const second = await answered(browser, pages[1]!, names[0]!);
  for (const [i, url] of [first, second].entries()) {
    const { code } = fragment(await comesBack(browser, url));
    expect((await pages[i]!.redeem(code!)).body.userId).toBe(names[0]);
  }
});

describe("the callback refuses", () => {
  test("an answer that nobody asked for", async () => {
    const [browser, page] = [new TestBrowser(), new Page()];
    const url = await answered(browser, page, at.newId("ann"));
    url.searchParams.set("state", randomId(32));
    const came = await comesBack(browser, url);
    expect([came.status, JSON.parse(came.text).name]).toEqual([401, "NOT_AUTHENTICATED"]);
  });

  test("an answer that was used before", async () => {
    const [browser, page] = [new TestBrowser(), new Page()];
    const url = await answered(browser, page, at.newId("ann"));
    expect(fragment(await comesBack(browser, url))["code"]).toBeDefined();
    expect((await comesBack(browser, url)).status).toBe(401);
  });

  test("another browser, and then the first one, too", async () => {
    const [browser, page] = [new TestBrowser(), new Page()];
    const url = await answered(browser, page, at.newId("ann"));
    const stranger = new TestBrowser();
    await stranger.open(page.login(), provider.issuer);
    expect((await comesBack(stranger, url)).status).toBe(401);
    expect((await comesBack(browser, url)).status).toBe(401);
    const without = await answered(browser, page, at.newId("ann"));
    expect((await comesBack(new TestBrowser(), without)).status).toBe(401);
  });

  test.each<[string, string]>([
    ["without a state", ""],
    ["with two states", "state=a&state=b"],
    ["with an empty state", "state="],
  ])("a request %s", async (_, query) => {
    expect(await at.http("GET", `/v1/oidc/callback?${query}`)).toEqual(failure("BAD_PAYLOAD"));
  });

  test.each<[string, Record<string, string>, string]>([
    ["made for another nonce", { nonce: "another" }, "invalid_answer"],
    ["made for another secret of PKCE", { code_challenge: "a".repeat(43) }, "invalid_grant"],
  ])("an answer that was %s, and tells the page", async (_, change, error) => {
    const [browser, page] = [new TestBrowser(), new Page()];
    const url = await answered(browser, page, at.newId("ann"), change);
    expect(fragment(await comesBack(browser, url))).toEqual({ error });
  });

  test("a code that the provider did not give, and tells the page", async () => {
    const [browser, page] = [new TestBrowser(), new Page()];
    const url = await answered(browser, page, at.newId("ann"));
    url.searchParams.set("code", "invented");
    expect(fragment(await comesBack(browser, url))).toEqual({ error: "invalid_grant" });
  });

  test("an answer of another issuer, and tells the page", async () => {
    const [browser, page] = [new TestBrowser(), new Page()];
    const url = await answered(browser, page, at.newId("ann"));
    url.searchParams.set("iss", "https://other.example");
    expect(fragment(await comesBack(browser, url))).toEqual({ error: "invalid_answer" });
  });

  test("a person who went away at the provider", async () => {
    const [browser, page] = [new TestBrowser(), new Page()];
    const asked = await browser.open(page.login(), PAGE);
    const came = await browser.open(`${asked.url.href}/abort`, PAGE);
    expect(fragment(came)).toEqual({ error: "access_denied" });
  });

  test("a name that is no user id, and a user who is disabled", async () => {
    const page = new Page();
    expect(fragment(await new TestBrowser().logIn(page.login(), "a b", PAGE))).toEqual({ error: "FORBIDDEN" });
    const name = at.newId("bad");
    await new TestBrowser().logIn(page.login(), name, PAGE);
    await at.mysql.users.setStatus(name, "disabled");
    expect(fragment(await new TestBrowser().logIn(page.login(), name, PAGE))).toEqual({ error: "USER_DISABLED" });
  });
});

describe("the beginning refuses", () => {
  test.each<[string, string]>([
    ["another page of the app", `${PAGE}/other`],
    ["the page with a query", `${PAGE}?a=1`],
    ["another site", "https://evil.example/welcome"],
    ["a site that begins so", "https://app.example.evil.example/welcome"],
    ["a user in the address", "https://app.example@evil.example/welcome"],
    ["a script", "javascript:alert(1)"],
    ["no scheme", "//app.example/welcome"],
    ["nothing", ""],
  ])("%s", async (_, returnTo) => {
    const { challenge } = new Page();
    const query = new URLSearchParams({ challenge, returnTo });
    expect(await at.http("GET", `/v1/oidc/login?${query}`)).toEqual(failure("BAD_PAYLOAD"));
  });

  test("a page without a secret", async () => {
    expect(await at.http("GET", "/v1/oidc/login")).toEqual(failure("BAD_PAYLOAD"));
    expect(await at.http("GET", "/v1/oidc/login?challenge=short")).toEqual(failure("BAD_PAYLOAD"));
  });
});

describe("a code", () => {
  const codeFor = async (page: Page) =>
    fragment(await new TestBrowser().logIn(page.login(), at.newId("ann"), PAGE))["code"]!;

  test("is good once", async () => {
    const page = new Page();
    const code = await codeFor(page);
    const answers = await Promise.all([page.redeem(code), page.redeem(code)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401]);
    expect(await page.redeem(code)).toEqual(failure("NOT_AUTHENTICATED"));
  });

  test("is good for its page only, and after a wrong try for nobody", async () => {
    const page = new Page();
    const code = await codeFor(page);
    expect(await new Page().redeem(code)).toEqual(failure("NOT_AUTHENTICATED"));
    expect(await page.redeem(code)).toEqual(failure("NOT_AUTHENTICATED"));
  });

  test("is no answer of the provider, and none of its forms is an error of ours", async () => {
    const page = new Page();
    expect(await page.redeem("invented")).toEqual(failure("NOT_AUTHENTICATED"));
    expect(await page.redeem("")).toEqual(failure("BAD_PAYLOAD"));
    expect(await page.redeem("invented", { verifier: "short" })).toEqual(failure("BAD_PAYLOAD"));
    const from = "10.8.0.1";
    const body = { code: "invented", verifier: page.verifier, deviceId: "phone", platform: "web" };
    const guess = () => at.http("POST", "/v1/oidc/sessions", { body, from });
    for (let i = 0; i < 5; i++) expect((await guess()).status).toBe(401);
    expect(await guess()).toEqual(failure("RATE_LIMITED"));
  });
});

test("the cookie is not for scripts, other pages, or other routes; no answer is kept", async () => {
  const answer = await fetch(new Page().login(), { redirect: "manual" });
  expect(answer.status).toBe(302);
  expect(answer.headers.get("cache-control")).toBe("no-store");
  const attributes = answer.headers.getSetCookie()[0]!.split("; ").slice(1).sort();
  expect(attributes).toEqual(["HttpOnly", "Max-Age=600", "Path=/v1/oidc", "SameSite=Lax"]);
  const { searchParams } = new URL(answer.headers.get("location")!);
  expect(searchParams.get("code_challenge_method")).toBe("S256");
  expect(searchParams.get("response_type")).toBe("code");
});

test("while the provider is away, a log-in that was begun returns BUSY to its page", async () => {
  const [browser, page] = [new TestBrowser(), new Page()];
  const url = await answered(browser, page, at.newId("ann"));
  await provider.stop();
  expect(fragment(await comesBack(browser, url))).toEqual({ error: "BUSY" });
  await provider.resume();
});

test("a provider that is away at first is found later, and is not asked by everybody meanwhile", async () => {
  await provider.stop();
  let clock = 0;
  const fresh = new OpenIdProvider(oidc, () => clock);
  await expect(fresh.begin("state")).rejects.toMatchObject({ name: "BUSY" });
  await provider.resume();
  await expect(fresh.begin("state")).rejects.toMatchObject({ name: "BUSY" });
  clock += 2_000;
  expect((await fresh.begin("state")).url.href).toContain(provider.issuer);
});
