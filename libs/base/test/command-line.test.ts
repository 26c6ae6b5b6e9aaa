import { commandLine, wholeNumber, wholeNumbers } from "../src/node/command-line";

class Exit extends Error {
  constructor(readonly code: unknown) {
    super(`exit ${code}`);
  }
}

/** Parses, and returns the options, or the exit code with the output. */
function parse(...args: string[]) {
  const output = { out: "", error: "" };
  const exit = jest.spyOn(process, "exit").mockImplementation((code) => {
    throw new Exit(code);
  });
  const command = commandLine("npm run example --", "Shows an example.")
    .argument("[NAME...]")
    .option("--seeds <N>", "number of seeds", wholeNumber(1), 7)
    .option("--part <N>", "a part", wholeNumber(0, 10))
    .option("--list <LIST>", "numbers", wholeNumbers(1))
    .configureOutput({
      writeOut: (text) => {
        output.out += text;
      },
      writeErr: (text) => {
        output.error += text;
      },
    });
  try {
    return { code: undefined, ...output, options: command.parse(args, { from: "user" }).opts(), names: command.args };
  } catch (error) {
    return { code: (error as Exit).code, ...output };
  } finally {
    exit.mockRestore();
  }
}

describe("a command line", () => {
  test("gives options, defaults and names", () => {
    expect(parse("a", "--part=0", "--list", "1,20", "b")).toMatchObject({
      options: { seeds: 7, part: 0, list: [1, 20] },
      names: ["a", "b"],
    });
  });

  test("prints its help on standard output, and ends with 0", () => {
    const { code, out, error } = parse("--help");
    expect({ code, error }).toEqual({ code: 0, error: "" });
    expect(out).toContain("Usage: npm run example --");
    expect(out).toContain("number of seeds (default: 7)");
  });

  test.each([
    [["--bogus"], "unknown option '--bogus'"],
    [["--seeds", "0"], "must be a whole number of at least 1"],
    [["--seeds", "1.5"], "must be a whole number of at least 1"],
    [["--seeds", "-1"], "must be a whole number of at least 1"],
    [["--seeds"], "argument missing"],
    [["--part", "11"], "must be a whole number from 0 to 10"],
    [["--list", "1,,2"], "must be a whole number of at least 1"],
  ])("ends with 2 at %j, and prints the error and the help on standard error", (args, message) => {
    const { code, out, error } = parse(...args);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(error).toContain(message);
    expect(error).toContain("Usage: npm run example --");
  });
});
