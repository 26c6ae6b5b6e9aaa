import {
  AlreadyRunningError,
  type ClusterInfo,
  describeCluster,
  findSupervisor,
  OptionsError,
  PortsTakenError,
  ProvisionError,
  parseStartArguments,
  readClusterInfo,
  START_USAGE,
  startDetached,
  superviseUntilStopped,
} from "@carillon/local";

/** `npm start`: runs a cluster on this machine. Exit codes: 0 stopped, or a cluster runs already; 1 failed; 2 wrong usage. */
async function main(): Promise<number> {
  const parsed = parseStartArguments(process.argv.slice(2), process.env);
  if (parsed.help) {
    console.log(START_USAGE);
    return 0;
  }
  const options = { ...parsed.options, onProgress: (line: string) => console.log(line) };
  const { directory } = options;
  const describe = (info: ClusterInfo) => describeCluster(directory, info, parsed.showsSecrets);
  const announce = (info: ClusterInfo, hint: string) =>
    console.log(["", "Carillon is ready", ...describe(info), "", hint].join("\n"));
  if (findSupervisor(directory) !== undefined) {
    return await reportRunning(directory, options.fresh === true, describe);
  }
  try {
    if (parsed.detach) {
      await startDetached(options);
      announce(readClusterInfo(directory)!, "npm run stop stops it");
    } else {
      await superviseUntilStopped(options, (info) => announce(info, "Ctrl-C stops it"), { until: parentIsGone() });
    }
    return 0;
  } catch (error) {
    if ((error as Error).name === AlreadyRunningError.name) {
      return await reportRunning(directory, options.fresh === true, describe);
    }
    throw error;
  }
}

/** Prints where the cluster of this directory runs. When that cluster is just starting, it first waits until it is ready. */
async function reportRunning(
  directory: string,
  fresh: boolean,
  describe: (info: ClusterInfo) => string[],
): Promise<number> {
  const pid = findSupervisor(directory)?.identity.pid;
  if (fresh) {
    console.error(`a cluster runs in ${directory} (supervisor pid ${pid}); stop it before --fresh removes its data`);
    return 1;
  }
  for (let said = false; findSupervisor(directory)?.ready === false; said = true) {
    if (!said) {
      console.log(`Carillon is being started by process ${pid}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const info = readClusterInfo(directory);
  if (findSupervisor(directory) === undefined || info === undefined) {
    console.error(`the start by process ${pid} has failed`);
    return 1;
  }
  console.log([`Carillon runs already (supervisor pid ${pid})`, ...describe(info)].join("\n"));
  return 0;
}

/**
 * Aborts when npm, which waits for this process, is killed: nobody could stop the cluster with Ctrl-C any more. Only under npm:
 * a shell that started this process may exit in good order.
 */
function parentIsGone(): AbortSignal {
  const gone = new AbortController();
  const parent = process.ppid;
  if (process.env["npm_lifecycle_event"] === "start") {
    setInterval(() => process.ppid !== parent && gone.abort(), 500).unref();
  }
  return gone.signal;
}

main().then(
  (code) => {
    process.exitCode = code;
    setTimeout(() => process.exit(code), 1000).unref();
  },
  (error: Error) => {
    if (error instanceof OptionsError) {
      console.error(`${error.message}\n\n${START_USAGE}`);
      process.exit(2);
    }
    const expected = [PortsTakenError.name, ProvisionError.name].includes(error.name);
    console.error(expected ? error.message : `Carillon could not be started: ${error.message}`);
    process.exit(1);
  },
);
