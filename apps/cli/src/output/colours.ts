/** Colours where somebody looks: not in a file, a pipe or the log of a build, whatever that build sets besides. */
import { createColors } from "picocolors";
import { areColoursForced } from "../config";

export const colours = createColors(areColoursForced() ?? process.stdout.isTTY === true);
