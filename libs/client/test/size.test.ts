/**
 * Checks the size of the SDK and its dependencies that an app in a browser must load, as a bundler builds it from the sources.
 */
import path from "node:path";
import { brotliCompressSync } from "node:zlib";
import { bundle, libs } from "./fixtures/bundle";

const KIB = 1_024;

test.each([
  ["a client alone", 21, `export { CarillonClient } from "./index";`],
  [
    "with storage, tabs and view",
    32,
    `export { CarillonClient, openIndexedDbStorage } from "./browser"; export { viewOf } from "./view-of";`,
  ],
])(
  "%s has at most %i KiB (brotli), and nothing of Node or of the server's half of the protocol",
  (_, most, contents) => {
    const { outputFiles, metafile } = bundle({ minify: true, format: "esm", contents });
    const inside = Object.values(metafile.outputs)
      .flatMap(({ inputs }) => Object.entries(inputs))
      .flatMap(([file, { bytesInOutput }]) => (bytesInOutput > 0 ? [path.relative(libs, file)] : []));
    const unwanted = /node\/|msgpack|prescan|json-form|validators|error-table|events\/byte/;
    expect(inside.filter((file) => unwanted.test(file))).toEqual([]);
    expect(brotliCompressSync(outputFiles[0]!.contents).length).toBeLessThanOrEqual(most * KIB);
  },
);
