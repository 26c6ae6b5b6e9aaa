// The import table of docs/architecture.md as rules. A broken rule or a cycle fails the build.

/** What each package may import of ours. Everything not named is forbidden. */
const allowed = {
  "libs/base": [],
  "libs/grants": ["libs/base"],
  "libs/protocol": ["libs/base"],
  "libs/udp": [],
  "libs/coordination": ["libs/base"],
  "libs/bus": ["libs/coordination", "libs/protocol", "libs/base"],
  "libs/store": ["libs/protocol", "libs/base"],
  "libs/operations": ["libs/coordination", "libs/bus", "libs/store", "libs/protocol", "libs/base"],
  "libs/client": ["libs/protocol", "libs/udp", "libs/base"],
  "infra/local": ["libs/grants", "libs/base"],
  "tests/kit": ["libs/*", "infra/local"],
  "apps/gateway": ["libs/protocol", "libs/udp", "libs/bus", "libs/coordination", "libs/base"],
  "apps/worker": ["libs/protocol", "libs/bus", "libs/store", "libs/coordination", "libs/base"],
  "apps/archiver": ["libs/protocol", "libs/bus", "libs/store", "libs/coordination", "libs/base"],
  "apps/api": ["libs/operations", "libs/protocol", "libs/bus", "libs/store", "libs/coordination", "libs/base"],
  "apps/cli": [
    "libs/operations",
    "libs/client",
    "libs/coordination",
    "libs/bus",
    "libs/store",
    "libs/protocol",
    "libs/grants",
    "libs/base",
  ],
};

const pattern = (name) => `^${name.replace("*", "[^/]+")}/`;

const packageRules = Object.entries(allowed).map(([from, targets]) => ({
  name: `${from} imports only what it may`,
  severity: "error",
  from: { path: `^${from}/src/` },
  to: { path: "^(libs|apps|infra|scripts|bench|tests)/", pathNot: [`^${from}/`, ...targets.map(pattern)] },
}));

/** The root files of an app wire its stages; that stages do not import each other is checked by scripts/tidy.ts. */
const rootRules = ["gateway", "worker", "archiver"].map((app) => ({
  name: `stages of ${app} do not import journey or main`,
  severity: "error",
  from: { path: `^apps/${app}/src/[^/]+/` },
  to: { path: `^apps/${app}/src/(main|journey)\\.ts$` },
}));

const only = (name, path, allowedFrom) => ({
  name,
  severity: "error",
  from: { path: "^(libs|apps)/[^/]+/src/", pathNot: allowedFrom },
  to: { path },
});

module.exports = {
  forbidden: [
    { name: "no cycles", severity: "error", from: {}, to: { circular: true } },
    ...packageRules,
    ...rootRules,
    {
      name: "another package's public face only",
      severity: "error",
      from: { path: "^(libs|apps)/([^/]+)/src/" },
      to: {
        path: "^libs/([^/]+)/",
        pathNot: [
          "^(libs|apps)/$2/",
          "^libs/[^/]+/(src|dist)/(node/)?(index|node|command-line|process-lock)\\.(ts|js|d\\.ts)$",
        ],
      },
    },
    only("NATS stays in its libraries", "node_modules/@nats-io/", ["^libs/(bus|coordination)/"]),
    only("Redis and MySQL stay in the store", "node_modules/(ioredis|mysql2|typeorm)/", ["^libs/store/"]),
    {
      name: "the protocol and the client's core run in a browser",
      severity: "error",
      from: { path: "^libs/(protocol|client)/src/", pathNot: "^libs/client/src/node" },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "pure base has no Node modules",
      severity: "error",
      from: { path: "^libs/base/src/", pathNot: "^libs/base/src/node/" },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "workers know neither sockets nor HTTP",
      severity: "error",
      from: { path: "^apps/(worker|archiver)/src/" },
      to: { path: "^(net|http|https|tls|dgram)$", dependencyTypes: ["core"] },
    },
    {
      name: "settings are read in config files only",
      severity: "error",
      from: { path: "^apps/[^/]+/src/", pathNot: "config\\.ts$" },
      to: { path: "^libs/base/(src|dist)/node/settings\\.(ts|js)$" },
    },
  ],
  options: {
    parser: "swc",
    // Our packages are followed to their sources, not to what was compiled.
    tsConfig: { fileName: "scripts/imports.tsconfig.json" },
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^|/)(dist|generated)/|\\.d\\.ts$" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["source", "require", "node", "default"] },
  },
};
