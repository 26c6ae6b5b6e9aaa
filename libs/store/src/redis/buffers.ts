/** The same bytes as a Buffer, not a copy: what ioredis takes for binary. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
