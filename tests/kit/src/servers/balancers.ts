/** Runs balancers in front of a cluster, with the examples of `infra/nginx` and `infra/haproxy`. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { isPortFree, ManagedProcess, ProcessGuard, renderInfra } from "@carillon/local";
import { type BalancerName, program, provideBalancer } from "./balancer-programs";

export interface Balancer {
  stop(): Promise<void>;
}

export interface BalancerOptions {
  /** For its configuration and logs. */
  directory: string;
  /** The port by which it is known that it listens. */
  port: number;
  certFile: string;
  keyFile: string;
  /** The other values of the example. */
  values: Record<string, string>;
}

/** Starts a balancer on loopback; it ends with this process. */
export async function startBalancer(name: BalancerName, options: BalancerOptions): Promise<Balancer> {
  const { directory, port, certFile, keyFile, values } = options;
  const { root, env } = await provideBalancer(name);
  mkdirSync(directory, { recursive: true });
  const file = path.join(directory, name);
  const pemFile = path.join(directory, "server.pem");
  // haproxy wants certificate and key in one file.
  writeFileSync(pemFile, readFileSync(certFile, "utf8") + readFileSync(keyFile, "utf8"));
  const files: Record<string, string> = name === "nginx" ? { directory, certFile, keyFile } : { pemFile };
  const template = name === "nginx" ? "nginx/nginx.conf" : "haproxy/haproxy.cfg";
  writeFileSync(file, renderInfra(template, { ...files, ...values }));
  const guard = new ProcessGuard(0);
  const args =
    name === "nginx" ? ["-c", file, "-p", directory, "-e", path.join(directory, "error.log")] : ["-db", "-f", file];
  const managed = new ManagedProcess(
    {
      name,
      command: program(name, root),
      args,
      env: { ...env },
      cwd: directory,
      output: path.join(directory, `${name}.log`),
      isReady: async () => !(await isPortFree(port)),
      readyTimeoutMs: 20_000,
      stopGraceMs: 5_000,
    },
    (identity) => guard.watch(identity),
  );
  await managed.start();
  return {
    stop: async () => {
      await managed.stop();
      await guard.release();
    },
  };
}
