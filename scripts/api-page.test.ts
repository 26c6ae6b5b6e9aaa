/** docs/api.md lists exactly the routes of the api. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { renderRoutes } from "./generate";

const root = path.join(__dirname, "..");

test("the routes of docs/api.md are those of the api: npm run generate", async () => {
  const [file, text] = await renderRoutes(root);
  expect(readFileSync(path.join(root, file), "utf8")).toBe(text);
});
