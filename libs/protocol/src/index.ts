export { reconnectAdvice } from "./close-codes";
export { decodePayload, encodePayload } from "./codec/codec";
export { packPayload } from "./codec/pack";
export { prescan } from "./codec/prescan";
export { readValue } from "./codec/read";
export { utf8Length, wellFormed } from "./codec/utf8";
export { commandDirection, commandName, commandNumber } from "./commands";
export { type BusyReason, busy, orBusy } from "./errors/busy";
export { errorByCode, errorByName, httpStatusOf } from "./errors/error-table";
export { CarillonError } from "./errors/errors";
export { ByteWriter } from "./events/byte-writer";
export {
  conversationPrefix,
  decodeEvent,
  type EventHead,
  encodeEvent,
  eventPrefix,
  peekEvent,
} from "./events/event-bytes";
export {
  encodeDeliver,
  encodeDeliverFrame,
  encodePulledFrame,
  encodeSentFrame,
  fitsEvents,
  fitsSizes,
  type InboxEntry,
} from "./events/event-frames";
export { encodeFrame, type Frame, type FrameFault, frameOf } from "./frames/frame";
export { decodeFrames, FrameDecoder } from "./frames/frame-decoder";
export { decodeJsonFrame, encodeJsonFrame, type JsonFrame, type JsonFrameFault } from "./frames/json-form";
export { type Lenient, readServerMessage, type Unreadable } from "./from-server/lenient";
export * from "./generated/close-codes";
export * from "./generated/commands";
export * from "./generated/error-table";
export * from "./generated/errors";
export * from "./generated/limits";
export * from "./generated/payloads";
export * from "./ids";
export { type MessageFault, parseRequest, parseServerMessage } from "./messages";
export { deliveredBy } from "./receipts";
export {
  encodeSystemContent,
  membershipOf,
  parseSystemContent,
  type SystemContent,
  splitSystemContent,
} from "./system-content";
export { DELETED_USER, displayNameFault, nameFault, noticeFault, remarkFault } from "./words";
