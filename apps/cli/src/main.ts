/** The `carillon` command. `commands/` has one file per command; `output/failures.ts` has the exit codes. */
import { buildVersion } from "@carillon/base/node";
import { Command, CommanderError } from "commander";
import { auditCommand } from "./commands/audit";
import { chatCommand } from "./commands/chat";
import { deadLettersCommand } from "./commands/dead-letters";
import { doctorCommand } from "./commands/doctor";
import { initCommand } from "./commands/init";
import { locateCommand } from "./commands/locate";
import { nodesCommand } from "./commands/nodes";
import { partitionsCommand } from "./commands/partitions";
import { auditLogCommand } from "./commands/people/audit-log";
import { groupsCommand } from "./commands/people/groups";
import { keysCommand } from "./commands/people/keys";
import { usersCommand } from "./commands/people/users";
import { ringCommand } from "./commands/ring";
import { secretsCommand } from "./commands/secrets/secrets";
import { sessionsCommand } from "./commands/sessions";
import { configCommand } from "./commands/settings";
import { traceCommand } from "./commands/trace";
import { EXIT, exitCodeOf } from "./output/failures";
import { terminalText } from "./output/print";

const EXIT_CODES = "Exit codes: 0 done, 1 failed, 2 wrong use, 3 the cluster was not reached.";

async function main(): Promise<void> {
  const program = new Command("carillon")
    .description("operates a Carillon cluster")
    .version(buildVersion(), "--version", "the build of this command")
    .addHelpText("after", `\n${EXIT_CODES}`);
  const commands = [
    initCommand(),
    nodesCommand(),
    ringCommand(),
    locateCommand(),
    sessionsCommand(),
    usersCommand(),
    groupsCommand(),
    keysCommand(),
    secretsCommand(),
    partitionsCommand(),
    deadLettersCommand(),
    doctorCommand(),
    auditCommand(),
    auditLogCommand(),
    traceCommand(),
    configCommand(),
    chatCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  throwInsteadOfExit(program);
  await program.parseAsync(process.argv);
}

/** Makes Commander throw: it would exit with 1 for a wrong command line, where this command exits with 2. */
function throwInsteadOfExit(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) throwInsteadOfExit(child);
}

main()
  .catch((error: Error) => {
    if (error instanceof CommanderError) {
      // Commander has printed the message already, on standard error or, for --help, on standard output.
      process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.wrongUse;
      return;
    }
    process.stderr.write(`carillon: ${terminalText(error.message)}\n`);
    process.exitCode = exitCodeOf(error);
  })
  .then(() => {
    // Exits explicitly, so that no library keeps the process alive, after all output is written.
    process.stdout.write("", () => process.stderr.write("", () => process.exit()));
  });
