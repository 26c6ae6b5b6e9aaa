// Three kinds of tests: unit (no server), integration (*.integration.test.ts, real servers from tests/kit),
// and journeys (tests/journeys, a whole cluster over the wire).
const base = {
  transform: {
    "^.+\\.(ts|js|mjs)$": [
      "@swc/jest",
      { jsc: { target: "es2022", parser: { syntax: "typescript" } }, module: { type: "commonjs" } },
    ],
  },
  moduleNameMapper: {
    "^@carillon/base/process-lock$": "<rootDir>/libs/base/src/node/process-lock.ts",
    "^@carillon/base/node$": "<rootDir>/libs/base/src/node/index.ts",
    "^@carillon/base/command-line$": "<rootDir>/libs/base/src/node/command-line.ts",
    "^@carillon/client$": "<rootDir>/libs/client/src/node.ts",
    "^@carillon/client/view$": "<rootDir>/libs/client/src/view-of.ts",
    "^@carillon/(base|grants|protocol|udp|coordination|bus|store|operations)$": "<rootDir>/libs/$1/src/index.ts",
    "^@carillon/local$": "<rootDir>/infra/local/src/index.ts",
    "^@carillon/testkit$": "<rootDir>/tests/kit/src/index.ts",
  },
  // These packages are ES modules only; jest on Node 20 cannot require them untransformed.
  transformIgnorePatterns: [
    "/node_modules/(?!(cookie|content-disposition|jose|oauth4webapi|openid-client|typebox|@fastify/type-provider-typebox)/)",
  ],
  modulePathIgnorePatterns: ["<rootDir>/\\.carillon/", "/dist/"],
  testEnvironment: "node",
  rootDir: __dirname,
};

module.exports = {
  // Ten times the longest bound that a test waits for; a test that hangs fails all the same.
  testTimeout: 60_000,
  projects: [
    {
      ...base,
      displayName: "unit",
      testMatch: [
        "<rootDir>/{libs/*,apps/*,infra/local,tests/kit}/test/**/!(*.integration).test.ts",
        "<rootDir>/{scripts,bench}/**/*.test.ts",
        "<rootDir>/tests/faults/{measure,plan}.test.ts",
      ],
    },
    {
      ...base,
      displayName: "integration",
      testMatch: ["<rootDir>/{libs/*,apps/*,infra/local,tests/kit}/test/**/*.integration.test.ts"],
    },
    {
      ...base,
      displayName: "journeys",
      testMatch: [
        "<rootDir>/tests/{journeys,browser,model,fuzz}/**/*.test.ts",
        "<rootDir>/tests/faults/short-*.test.ts",
      ],
    },
  ],
};
