export * from "./backoff.js";
export * from "./clock.js";
export * from "./group-commit.js";
export * from "./hash.js";
export * from "./ids.js";
export * from "./snowflake.js";
export * from "./timer-wheel.js";
