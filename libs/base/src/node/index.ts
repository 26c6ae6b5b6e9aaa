export * from "./lifecycle.js";
export * from "./logger.js";
export * from "./metrics.js";
export * from "./settings.js";
export { type Settings, settingsSchema } from "./settings-schema.js";
