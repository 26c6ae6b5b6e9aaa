/** The `carillon` command: one file per command in commands/. */
import { Command } from "commander";
import { initCommand } from "./commands/init";

async function main(): Promise<void> {
  const program = new Command("carillon").description("operates a Carillon cluster").addCommand(initCommand());
  await program.parseAsync(process.argv);
}

main().catch((error: Error) => {
  process.stderr.write(`carillon: ${error.message}\n`);
  process.exitCode = 1;
});
