/**
 * What the command lines of this repository share: exit codes, help, and options that are numbers. It is an entry of its own
 * (`@carillon/base/command-line`), so that no server process loads Commander.
 */
import { Command, type CommanderError, InvalidArgumentError } from "commander";

/** Exit code for a wrong command line. */
const WRONG_USE = 2;

/**
 * A command whose `parse` ends the process after --help (exit code 0, text on standard output) and at a wrong command line
 * (exit code 2; the error and the help on standard error).
 *
 * @param name as a user types it: `npm run bench --`
 */
export function commandLine(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .helpOption("--help", "show this text")
    .showHelpAfterError(true)
    .configureOutput({ getOutHelpWidth: () => HELP_WIDTH, getErrHelpWidth: () => HELP_WIDTH })
    .exitOverride(exit);
}

const HELP_WIDTH = 120;

/** Commander itself ends with 1 at a wrong command line. */
function exit({ exitCode }: CommanderError): never {
  process.exit(exitCode === 0 ? 0 : WRONG_USE);
}

/**
 * Makes a parser of an option or argument: digits that are a whole number of at least `from`, and at most `to` if there is a
 * limit.
 *
 * @returns a parser that throws InvalidArgumentError, which Commander reports with the name of the option
 */
export function wholeNumber(from: number, to?: number): (text: string) => number {
  const most = to ?? 999_999_999;
  return (text) => {
    const number = Number(text);
    if (/^\d+$/.test(text) && number >= from && number <= most) return number;
    throw new InvalidArgumentError(
      to === undefined ? `must be a whole number of at least ${from}` : `must be a whole number from ${from} to ${to}`,
    );
  };
}

/** As `wholeNumber`, for numbers that are separated by commas. */
export function wholeNumbers(from: number): (text: string) => number[] {
  const parse = wholeNumber(from);
  return (text) => text.split(",").map(parse);
}
