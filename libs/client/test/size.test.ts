/** What an app in a browser has to load: the SDK and all that it takes along, as a bundler makes it of the sources. */
import path from "node:path";
import { brotliCompressSync } from "node:zlib";
import { bundle, libs } from "./fixtures/bundle";

const MOST_BYTES = 32 * 1024;

test("the SDK for browsers has at most 32 KiB (brotli), and nothing of Node or of the server's half of the protocol", () => {
  const { outputFiles, metafile } = bundle({ minify: true, format: "esm" });
  const inside = Object.values(metafile.outputs)
    .flatMap(({ inputs }) => Object.entries(inputs))
    .flatMap(([file, { bytesInOutput }]) => (bytesInOutput > 0 ? [path.relative(libs, file)] : []));
  expect(inside.filter((file) => /node\/|msgpack|prescan|json-form|event-bytes/.test(file))).toEqual([]);
  expect(brotliCompressSync(outputFiles[0]!.contents).length).toBeLessThanOrEqual(MOST_BYTES);
});
