import { OptionsError, parseStopArguments, STOP_USAGE, stopCluster } from "@carillon/local";

/** `npm run stop`: stops a cluster. Exit code 0 when nothing runs afterwards, 2 for wrong usage. */
async function main(): Promise<void> {
  const { help, directory } = parseStopArguments(process.argv.slice(2), process.env);
  if (help) {
    console.log(STOP_USAGE);
    return;
  }
  const ran = await stopCluster(directory, (line) => console.log(line));
  console.log(ran ? "stopped" : `nothing runs in ${directory}`);
}

main().catch((error: Error) => {
  const usage = error instanceof OptionsError;
  console.error(usage ? `${error.message}\n\n${STOP_USAGE}` : error.message);
  process.exit(usage ? 2 : 1);
});
