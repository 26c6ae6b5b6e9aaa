export { checkEvidence } from "./checker/check";
export type { Violation } from "./checker/violation";
export * from "./clients/raw-client";
export * from "./cluster/test-cluster";
export * from "./history/evidence";
export * from "./history/history";
export * from "./proxy/tcp-proxy";
export { type ServerChoice, startServers, type TestServers } from "./servers/start-servers";
export * from "./until";
