/** Colours on a terminal only: not in a file, a pipe or the log of a build, unless FORCE_COLOR asks for them. */
import { createColors } from "picocolors";
import { areColoursForced } from "../config";

export const colours = createColors(areColoursForced() ?? process.stdout.isTTY === true);
