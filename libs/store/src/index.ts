export * from "./redis/inboxes";
export * from "./redis/keys";
export * from "./redis/marks";
export { RedisStore } from "./redis/redis-store";
export * from "./redis/sessions";
