import { CarillonError } from "@carillon/protocol";
import type { TokenAnswer } from "../src/http/http-api";
import { type AppToken, Tokens, type TokensOptions } from "../src/http/tokens";
import { KeptValues } from "../src/storage/kept-values";
import { MemoryStorage } from "../src/storage/storage";

const answer = (n: number): TokenAnswer => ({
  ...{ userId: "alice", accessToken: `access-${n}`, refreshToken: `refresh-${n}`, expiresIn: 100 },
});

const jwt = (claims: object) => `h.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.s`;

function tokensOf(options: Partial<TokensOptions>, storage = new MemoryStorage()) {
  const shown: string[] = [];
  const renewed: string[] = [];
  const errors: string[] = [];
  let given = 0;
  const tokens = new Tokens({
    api: {
      refresh: async (refreshToken) => {
        shown.push(refreshToken);
        if (refreshToken.startsWith("void")) throw new CarillonError("TOKEN_REVOKED");
        return answer(++given);
      },
      logIn: async ({ password }) => {
        shown.push(password);
        return answer(++given);
      },
    },
    storage,
    kept: new KeptValues(storage, (error) => void errors.push(error.message), new AbortController().signal),
    deviceId: "d",
    platform: "other",
    onRenewed: (token) => void renewed.push(token),
    onError: (error) => void errors.push(error.message),
    ...options,
  });
  return { tokens, shown, renewed, errors, storage };
}

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const wait = (ms: number) => jest.advanceTimersByTimeAsync(ms);

test("a stored session continues without a password; without a session the app learns that it needs one", async () => {
  const storage = new MemoryStorage();
  const first = tokensOf({ credentials: { userId: "alice", password: "pw" } }, storage);
  expect(await first.tokens.access()).toBe("access-1");
  first.tokens.stop();
  const second = tokensOf({ credentials: { userId: "alice" } }, storage);
  await second.tokens.access();
  expect(second.shown).toEqual(["refresh-1"]);
  second.tokens.stop();
  const nobody = tokensOf({ credentials: { userId: "alice" } });
  await expect(nobody.tokens.access()).rejects.toMatchObject({ name: "NOT_AUTHENTICATED" });
});

test("a session of a back end is used as it is, then exchanged, and a later run continues from the exchange", async () => {
  const session = { userId: "alice", accessToken: "given", refreshToken: "refresh-0", expiresIn: 100 };
  const storage = new MemoryStorage();
  const first = tokensOf({ session }, storage);
  expect(await first.tokens.access()).toBe("given");
  await wait(80_000);
  expect([first.shown, first.renewed]).toEqual([["refresh-0"], ["access-1"]]);
  first.tokens.stop();
  const second = tokensOf({ session }, storage);
  await second.tokens.access();
  expect(second.shown).toEqual(["refresh-1"]);
  second.tokens.stop();
});

test("the client reports a session that has ended", async () => {
  const session = { userId: "alice", accessToken: "given", refreshToken: "void", expiresIn: 100 };
  const { tokens } = tokensOf({ session });
  await tokens.access();
  await expect(tokens.renew()).rejects.toMatchObject({ name: "TOKEN_REVOKED" });
  tokens.stop();
});

test.each<[string, () => Promise<AppToken>]>([
  ["text that says its life", async () => jwt({ iat: 1_000, exp: 1_100 })],
  ["a token with its life", async () => ({ token: "t", expiresIn: 100 })],
  ["the answer of the api", async () => answer(1)],
])("a token of the app is renewed before it ends: %s", async (_name, token) => {
  const asked = jest.fn(token);
  const { tokens, renewed } = tokensOf({ token: asked });
  await tokens.access();
  await wait(79_999);
  expect(asked).toHaveBeenCalledTimes(1);
  await wait(1);
  expect([asked.mock.calls.length, renewed.length]).toEqual([2, 1]);
  tokens.stop();
});

test("an app function that hangs, throws or returns no token is called again later", async () => {
  const strange: (() => Promise<never>)[] = [
    () => new Promise(() => {}),
    () => Promise.reject(new TypeError("fetch failed")),
    async () => ({ access_token: "?" }) as never,
    async () => undefined as never,
  ];
  const { tokens } = tokensOf({ token: () => (strange.shift() ?? (async () => "good"))() });
  for (let i = 0; i < 4; i++) {
    const refused = expect(tokens.access()).rejects.toMatchObject({ name: "UNAVAILABLE" });
    await wait(15_000);
    await refused;
  }
  expect(await tokens.access()).toBe("good");
  tokens.stop();
});

test("if the storage refuses the next refresh token, the app gets an error and the session continues", async () => {
  const storage = new MemoryStorage();
  jest.spyOn(storage, "set").mockRejectedValue(new Error("no space left"));
  const { tokens, shown, errors } = tokensOf({ credentials: { userId: "alice", password: "pw" } }, storage);
  await tokens.access();
  await tokens.renew();
  expect([shown, errors[0]]).toEqual([["pw", "refresh-1"], "no space left"]);
  tokens.stop();
});
