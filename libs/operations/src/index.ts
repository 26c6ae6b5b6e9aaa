export { auditAll, auditOne } from "./audit/audit";
export { type AuditDocument, Findings } from "./audit/findings";
export type { ClusterParts } from "./cluster-parts";
export * from "./failures";
export * from "./nodes";
export * from "./partitions";
export * from "./sessions";
export { findMessage, parseMessageName } from "./trace/find-message";
export * from "./trace/follow-message";
