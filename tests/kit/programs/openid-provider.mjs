/**
 * A real OpenID provider (oidc-provider) for tests, with its own simple pages. Everybody may log in under any name with any
 * password; names that begin with `op` belong to the group of operators.
 *
 * Argument: JSON `{port, clientId, clientSecret, callbackUrl}`. It sends "ready" to its parent, and ends with it.
 */
import Provider from "oidc-provider";

const { port, clientId, clientSecret, callbackUrl } = JSON.parse(process.argv[2]);

const claimsOf = (name) => ({
  sub: name,
  name: `The ${name}`,
  groups: name.startsWith("op") ? ["everybody", "chat-operators"] : ["everybody"],
});

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: clientId, client_secret: clientSecret, redirect_uris: [callbackUrl] }],
  cookies: { keys: ["a key of tests"] },
  claims: { openid: ["sub"], profile: ["name", "groups"] },
  pkce: { required: () => true },
  findAccount: (_, name) => ({ accountId: name, claims: () => claimsOf(name) }),
});

process.on("disconnect", () => process.exit());
provider.listen(port, "127.0.0.1", () => process.send("ready"));
