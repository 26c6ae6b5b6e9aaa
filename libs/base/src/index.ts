export * from "./backoff";
export * from "./clock";
export * from "./get-or-set";
export * from "./group-commit";
export * from "./hash";
export * from "./ids";
export * from "./snowflake";
export * from "./timer-wheel";
