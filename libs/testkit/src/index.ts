export { type ServerChoice, startServers, type TestServers } from "./servers/start-servers";
