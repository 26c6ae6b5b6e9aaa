export * from "./clients/raw-client";
export * from "./cluster/test-cluster";
export { type ServerChoice, startServers, type TestServers } from "./servers/start-servers";
export * from "./until";
