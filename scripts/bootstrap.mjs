/**
 * Leads from a fresh clone to a running command: installs the packages, builds, and runs `scripts/<command>.ts`.
 *
 * This file is plain JavaScript without dependencies, because it runs before any dependency is installed. The command runs in
 * this same process, so that a signal meets one process and not a chain of which a part may survive, and the exit code needs
 * no forwarding.
 *
 * Edge cases. When two commands start at once, a lock makes the second wait and then find the work done. Packages are installed
 * again only when package-lock.json or a manifest changed. `stop` must work in a broken checkout, too, so it builds
 * only what was never built. When the home folder is not writable, npm's cache lies under `.carillon`.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const [command, ...args] = process.argv.slice(2);

/** The projects to build before each command; a command that is missing here needs all projects. */
const PROJECTS = {
  start: ["infra/local", ...appProjects()],
  stop: ["infra/local"],
  test: ["infra/local"],
};

function appProjects() {
  return readdirSync(path.join(root, "apps"))
    .map((name) => `apps/${name}`)
    .filter((folder) => existsSync(path.join(root, folder, "tsconfig.json")) && folder !== "apps/web");
}

function say(line) {
  process.stdout.write(`${line}\n`);
}

function fail(line) {
  process.stderr.write(`${line}\n`);
  if (command === "test") {
    // A program that reads the last line for the result must find one, even when no test could run.
    process.stdout.write("0 passed, 1 failed\n");
  }
  process.exit(1);
}

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    fail(`Carillon needs Node 20.19 or newer; this is ${process.versions.node}`);
  }
}

/** Start time of a process in clock ticks after boot; undefined when the process does not exist. */
function startTime(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

async function withLock(work) {
  const file = path.join(root, ".carillon", "bootstrap.lock");
  const draft = `${file}.${process.pid}`;
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(draft, JSON.stringify({ pid: process.pid, startTime: startTime(process.pid) }));
  for (let told = false; ; ) {
    try {
      linkSync(draft, file);
      break;
    } catch (error) {
      if (error.code !== "EEXIST") {
        throw error;
      }
    }
    const holder = readHolder(file);
    if (holder === undefined || startTime(holder.pid) !== holder.startTime) {
      rmSync(file, { force: true });
    } else {
      if (!told) {
        say(`waiting for process ${holder.pid}, which is installing or building`);
        told = true;
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  const release = () => {
    rmSync(draft, { force: true });
    rmSync(file, { force: true });
  };
  process.once("exit", release);
  work();
  release();
  process.off("exit", release);
}

function readHolder(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/** Runs a program to its end. Ctrl-C reaches the program through the terminal, and then ends this process as well. */
function run(program, programArgs, options = {}) {
  const result = spawnSync(program, programArgs, { cwd: root, stdio: "inherit", ...options });
  if (result.signal !== null) {
    process.exit(130);
  }
  return result.status === 0;
}

function installFingerprint() {
  const hash = createHash("sha256");
  const members = ["libs", "apps"].flatMap((folder) =>
    readdirSync(path.join(root, folder)).map((name) => path.join(folder, name)),
  );
  const workspaces = [...members, "infra/local", "tests/kit"].map((folder) => path.join(folder, "package.json"));
  for (const file of ["package-lock.json", "package.json", ...workspaces].map((name) => path.join(root, name))) {
    hash.update(existsSync(file) ? readFileSync(file) : "absent");
  }
  return hash.digest("hex");
}

function install() {
  const stamp = path.join(root, "node_modules", ".carillon-install");
  const wanted = installFingerprint();
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) {
    return;
  }
  const fresh = !existsSync(path.join(root, "node_modules"));
  say("installing packages");
  const flags = [
    "--ignore-scripts",
    "--include=dev",
    "--include=optional",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  ];
  const npm = process.env.npm_execpath;
  const runNpm = (...npmArgs) =>
    npm === undefined || !/\.c?js$/.test(npm)
      ? run("npm", [...npmArgs, ...flags], { env: npmEnvironment() })
      : run(process.execPath, [npm, ...npmArgs, ...flags], { env: npmEnvironment() });
  // `ci` installs exactly what the lock names, but first removes everything that is installed.
  if (!(fresh && runNpm("ci")) && !runNpm("install", "--no-save")) {
    fail("npm could not install the packages; the messages of npm are above");
  }
  writeFileSync(stamp, wanted);
}

function npmEnvironment() {
  const env = { ...process.env };
  try {
    accessSync(env.npm_config_cache ?? homedir(), constants.W_OK);
  } catch {
    env.npm_config_cache = path.join(root, ".carillon", "npm-cache");
  }
  return env;
}

function build() {
  const projects = PROJECTS[command] ?? [];
  if (command === "stop" && existsSync(path.join(root, "infra", "local", "dist", "index.js"))) {
    return;
  }
  if (command === "start") {
    say("building");
  }
  const compiler = path.join(root, "node_modules", "typescript", "bin", "tsc");
  if (!run(process.execPath, [compiler, "-b", ...projects])) {
    fail("the build failed; the compiler's messages are above");
  }
}

checkNode();
const script = path.join(root, "scripts", `${command}.ts`);
if (command === undefined || !existsSync(script)) {
  fail(`unknown command ${command ?? ""}; the commands are start, stop, test, bench, faults`);
}
await withLock(() => {
  if (command !== "stop" || !existsSync(path.join(root, "node_modules", "tsx"))) {
    install();
  }
  build();
});
const require = createRequire(import.meta.url);
require("tsx/cjs/api").register();
process.argv = [process.argv[0], script, ...args];
require(script);
