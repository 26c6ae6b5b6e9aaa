/** Checks that the bytes in docs/protocol.md are those that the codec makes of their payloads. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { commandNumber, decodePayload, FrameDecoder } from "../src/index";

const page = readFileSync(path.join(__dirname, "../../../docs/protocol.md"), "utf8");
const [, exchange] = /## 12\. A whole exchange[^`]*```\n([^`]*)```/.exec(page.replace(/`[<>]`/g, ""))!;

test.each(exchange!.split(/^(?=[<>] )/m).map((part) => [part.split("\n")[0]!, part] as const))("%s", (title, part) => {
  const [, name, requestId, payload] = /^[<>] (\w+) (\d+) (.*)$/.exec(title)!;
  const bytes = Buffer.from(part.slice(title.length).replace(/\s/g, ""), "hex");
  const [frame] = new FrameDecoder().push(bytes);
  expect([frame!.command, frame!.requestId]).toEqual([commandNumber(name as never), Number(requestId)]);
  expect(decodePayload(frame!.payload)).toEqual(JSON.parse(payload!));
});
