/**
 * A program loads this file first (`node --require`). It changes one line of the built product in memory: the planted bug that
 * PLANTED_BUG names. So the product's code contains no mutant, and a mutant whose place is gone is noticed at once.
 */
const fs = require("node:fs");
const path = require("node:path");

const name = process.env.PLANTED_BUG;
if (name !== undefined && name !== "") {
  const { mutants } = JSON.parse(fs.readFileSync(path.join(__dirname, "mutants.json"), "utf8"));
  const mutant = mutants.find((one) => one.name === name);
  if (mutant === undefined) throw new Error(`no planted bug ${name}`);
  const file = path.join(__dirname, "..", "..", mutant.file);
  const real = fs.readFileSync;
  const plant = (text) => {
    const parts = text.split(mutant.find);
    if (parts.length !== 2) {
      throw new Error(`planted bug ${name}: its place is ${parts.length - 1} times in ${mutant.file}`);
    }
    return parts.join(mutant.replace);
  };
  fs.readFileSync = (where, options) => {
    const content = real(where, options);
    const isPlace = typeof where === "string" && path.resolve(where.replace(/^file:\/\//, "")) === file;
    if (!isPlace) return content;
    return typeof content === "string" ? plant(content) : Buffer.from(plant(content.toString("utf8")));
  };
}
