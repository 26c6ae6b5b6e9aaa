/** The same bytes as a Buffer, without a copy; ioredis sends a Buffer as binary. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
