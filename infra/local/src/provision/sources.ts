/**
 * Reads the machine's own apt sources, in both forms, and writes them again for a private apt state.
 *
 * It takes only Debian's own suites: a vendor's repository has none of the needed packages and may be unreachable. Options that
 * decide whether and how a source is trusted (`Signed-By`, also an inline key, and `Trusted`) stay unchanged.
 */
export interface AptSource {
  uris: string[];
  suites: string[];
  components: string[];
  /** Further deb822 fields by name, values with their continuation lines. */
  options: Record<string, string>;
}

/** deb822 names of the options that stand in brackets in a one-line entry. */
const ONE_LINE_OPTIONS: Record<string, string> = {
  arch: "Architectures",
  "signed-by": "Signed-By",
  trusted: "Trusted",
  "check-valid-until": "Check-Valid-Until",
  "check-date": "Check-Date",
};

/** Parses a one-line-style file (`sources.list`, `*.list`): `deb [key=value ...] uri suite component...`. */
export function parseOneLineSources(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const raw of text.split("\n")) {
    const match = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+\S+)*)$/.exec(raw.replace(/#.*/, "").trim());
    if (match === null) {
      continue;
    }
    const [, bracket = "", uri = "", suite = "", components = ""] = match;
    const options: Record<string, string> = {};
    for (const pair of bracket.split(/\s+/).filter(Boolean)) {
      const [key = "", value = ""] = pair.split(/=(.*)/s);
      const name = ONE_LINE_OPTIONS[key.toLowerCase()];
      if (name !== undefined) {
        options[name] = value.replaceAll(",", " ");
      }
    }
    sources.push({ uris: [uri], suites: [suite], components: components.split(/\s+/).filter(Boolean), options });
  }
  return sources;
}

/** Parses a deb822-style file (`*.sources`), without disabled and source-only stanzas. */
export function parseDeb822Sources(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const stanza of text.split(/\n[ \t]*\n/)) {
    const fields = parseStanza(stanza);
    const words = (name: string): string[] =>
      (fields.get(name.toLowerCase())?.value ?? "").split(/\s+/).filter(Boolean);
    if (!words("Types").includes("deb") || words("Enabled")[0]?.toLowerCase() === "no") {
      continue;
    }
    const options: Record<string, string> = {};
    for (const { name, value } of fields.values()) {
      if (Object.values(ONE_LINE_OPTIONS).some((known) => known.toLowerCase() === name.toLowerCase())) {
        options[name] = value;
      }
    }
    sources.push({ uris: words("URIs"), suites: words("Suites"), components: words("Components"), options });
  }
  return sources;
}

function parseStanza(stanza: string): Map<string, { name: string; value: string }> {
  const fields = new Map<string, { name: string; value: string }>();
  let current: { name: string; value: string } | undefined;
  for (const line of stanza.split("\n").filter((each) => !each.startsWith("#"))) {
    const match = /^([A-Za-z-]+):\s*(.*)$/.exec(line);
    if (match !== null) {
      current = { name: match[1]!, value: match[2]! };
      fields.set(current.name.toLowerCase(), current);
    } else if (current !== undefined && /^\s/.test(line)) {
      current.value += `\n${line}`;
    }
  }
  return fields;
}

/** Returns the entries of the machine's own release: its codename, with or without Debian's usual suffixes, or an alias. */
export function ownRelease(sources: AptSource[], codename: string): AptSource[] {
  const aliases = ["stable", "oldstable", "oldoldstable", "testing", "unstable", "sid", codename];
  const known = aliases.flatMap((name) => [name, `${name}-updates`, `${name}-security`, `${name}/updates`]);
  return sources
    .map((source) => ({ ...source, suites: source.suites.filter((suite) => known.includes(suite)) }))
    .filter((source) => source.suites.length > 0 && source.components.includes("main"));
}

/** Returns the same mirrors with other suites: where an entry names a bare release, `suites` replace it. */
export function atSuites(sources: AptSource[], suites: string[]): AptSource[] {
  return sources
    .filter((source) => source.suites.some((suite) => !/[-/]/.test(suite)))
    .map((source) => ({ ...source, suites, components: ["main"] }));
}

/** Writes sources in deb822 form. */
export function renderSources(sources: AptSource[]): string {
  return sources
    .map((source) =>
      [
        "Types: deb",
        `URIs: ${source.uris.join(" ")}`,
        `Suites: ${source.suites.join(" ")}`,
        `Components: ${source.components.join(" ")}`,
        ...Object.entries(source.options).map(([name, value]) => `${name}: ${value}`),
        "",
      ].join("\n"),
    )
    .join("\n");
}
