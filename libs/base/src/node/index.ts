export * from "./access-token";
export * from "./api-key";
export * from "./fail-point";
export * from "./lifecycle";
export * from "./logger";
export * from "./metrics";
export * from "./settings";
export { type Settings, settingsSchema } from "./settings-schema";
export * from "./version";
