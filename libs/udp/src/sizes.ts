/** Sizes and times of the UDP transport; docs/protocol.md explains them. */
export const udp = {
  /** The largest datagram, bytes: it passes every usual network in one piece. */
  datagramBytes: 1_200,
  /** Ticket and packet number in front of the encrypted part. */
  headerBytes: 16,
  ticketBytes: 8,
  keyBytes: 32,
  /** The authentication tag behind the encrypted part. */
  tagBytes: 16,
  challengeBytes: 8,
  /** The stream is cut into segments of at most this many bytes. */
  segmentBytes: 1_024,
  /** Bytes that may be sent beyond those that the other side has acknowledged. */
  windowBytes: 65_536,
  /** Ranges of bytes behind a gap that an acknowledgement names. */
  mostRanges: 8,
  /** Packet numbers below the highest one that are remembered, so that no datagram counts twice. */
  replayNumbers: 1_024,
  /** An acknowledgement waits this long for data that it can travel with, ms. */
  ackDelayMs: 20,
  /** The first repetition of a segment, while the round trip is not known; later ones wait twice as long each, ms. */
  firstResendMs: 500,
  leastResendMs: 200,
  mostResendMs: 8_000,
} as const;
