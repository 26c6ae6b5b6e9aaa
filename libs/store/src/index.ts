export * from "./redis/inboxes.js";
export * from "./redis/keys.js";
export * from "./redis/marks.js";
export { RedisStore } from "./redis/redis-store.js";
export * from "./redis/sessions.js";
