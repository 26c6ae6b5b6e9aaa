import { atSuites, ownRelease, parseDeb822Sources, parseOneLineSources, renderSources } from "../src/provision/sources";
import { compareVersions, findVersion } from "../src/provision/version";

const DEB822 = `Types: deb
# a comment inside a stanza
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb deb-src
URIs: http://mirror.test/debian-security
Suites: bookworm-security
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBGPL0BUBEADmW5NdOOHwPIJlgPu6JDcKw
 -----END PGP PUBLIC KEY BLOCK-----

Enabled: no
Types: deb
URIs: http://off.test/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://source.test/debian
Suites: bookworm
Components: main
`;

const ONE_LINE = `# deb http://commented.test/debian bookworm main
deb http://mirror.test/debian bookworm main contrib # our mirror
deb [arch=amd64,arm64 signed-by=/etc/apt/keyrings/x.gpg trusted=yes] https://vendor.test/apt vendor stable
deb-src http://mirror.test/debian bookworm main
`;

describe("the machine's apt sources", () => {
  test("deb822: stanzas, comments, inline keys; not the disabled and the source-only ones", () => {
    const [main, security, ...rest] = parseDeb822Sources(DEB822);
    expect(rest).toEqual([]);
    expect(main).toEqual({
      uris: ["http://mirror.test/debian"],
      suites: ["bookworm", "bookworm-updates"],
      components: ["main"],
      options: { "Signed-By": "/usr/share/keyrings/debian-archive-keyring.gpg" },
    });
    expect(security!.options["Signed-By"]).toContain("\n mQINBGPL0BUBEADmW5NdOOHwPIJlgPu6JDcKw\n");
  });

  test("one-line: options in brackets, trailing comments; not comments and sources", () => {
    expect(parseOneLineSources(ONE_LINE)).toEqual([
      { uris: ["http://mirror.test/debian"], suites: ["bookworm"], components: ["main", "contrib"], options: {} },
      {
        uris: ["https://vendor.test/apt"],
        suites: ["vendor"],
        components: ["stable"],
        options: { Architectures: "amd64 arm64", "Signed-By": "/etc/apt/keyrings/x.gpg", Trusted: "yes" },
      },
    ]);
  });

  test("only Debian's own suites are taken", () => {
    const own = ownRelease([...parseDeb822Sources(DEB822), ...parseOneLineSources(ONE_LINE)], "bookworm");
    expect(own.flatMap((source) => source.suites)).toEqual([
      "bookworm",
      "bookworm-updates",
      "bookworm-security",
      "bookworm",
    ]);
  });

  test("the newest suites come from the same mirror with the same key, and not from the security archive", () => {
    const newest = atSuites(ownRelease(parseDeb822Sources(DEB822), "bookworm"), ["testing", "sid"]);
    expect(newest).toEqual([
      {
        uris: ["http://mirror.test/debian"],
        suites: ["testing", "sid"],
        components: ["main"],
        options: { "Signed-By": "/usr/share/keyrings/debian-archive-keyring.gpg" },
      },
    ]);
  });

  test("what is rendered is read back the same, an inline key included", () => {
    const sources = parseDeb822Sources(DEB822);
    expect(parseDeb822Sources(renderSources(sources))).toEqual(sources);
  });
});

test("versions are compared by number", () => {
  expect(compareVersions("2.15.1", "2.14.3")).toBeGreaterThan(0);
  expect(compareVersions("2.9.10", "2.14.3")).toBeLessThan(0);
  expect(compareVersions("10.11", "10.11.0")).toBe(0);
  expect(findVersion("nats-server: v2.15.1")).toBe("2.15.1");
  expect(findVersion("mariadbd  Ver 10.11.19-MariaDB for debian-linux-gnu")).toBe("10.11.19");
});
