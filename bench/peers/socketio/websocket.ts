/** The part of WebSocket (RFC 6455) that a load client needs: whole text frames, masked on the way to the server. */
import { randomBytes } from "node:crypto";

export const Opcode = { TEXT: 1, CLOSE: 8, PING: 9 } as const;

export interface Frame {
  opcode: number;
  payload: Buffer;
}

/** Returns the request that opens a connection; the server's answer ends with an empty line. */
export function upgradeRequest(host: string, path: string): Buffer {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${host}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
    "Sec-WebSocket-Version: 13",
  ];
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`);
}

/** Makes frames under one mask, which the server has to remove as it does for any client. */
export class FrameWriter {
  private readonly mask = randomBytes(4);

  /** @param value up to 65,535 bytes */
  text(value: string): Buffer {
    return this.frame(Opcode.TEXT, Buffer.from(value));
  }

  close(): Buffer {
    return this.frame(Opcode.CLOSE, Buffer.from([1000 >> 8, 1000 & 0xff]));
  }

  private frame(opcode: number, payload: Buffer): Buffer {
    const header = payload.length < 126 ? 2 : 4;
    const frame = Buffer.allocUnsafe(header + 4 + payload.length);
    frame[0] = 0x80 | opcode;
    frame[1] = 0x80 | (header === 2 ? payload.length : 126);
    if (header === 4) frame.writeUInt16BE(payload.length, 2);
    this.mask.copy(frame, header);
    const start = header + 4;
    for (let i = 0; i < payload.length; i++) frame[start + i] = payload[i]! ^ this.mask[i & 3]!;
    return frame;
  }
}

/** Cuts the bytes of a server into frames, wherever its chunks begin and end. */
export class FrameCutter {
  private rest: Buffer = Buffer.alloc(0);

  /** @throws Error at a fragment, a masked frame or a frame of more than 65,535 bytes, since this server has no reason to send them */
  push(chunk: Buffer): Frame[] {
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    const frames: Frame[] = [];
    let at = 0;
    while (bytes.length - at >= 2) {
      const short = bytes[at + 1]!;
      if (bytes[at]! < 0x80 || short > 126) throw new Error("this client does not know this kind of WebSocket frame");
      if (short === 126 && bytes.length - at < 4) break;
      const start = at + (short === 126 ? 4 : 2);
      const end = start + (short === 126 ? bytes.readUInt16BE(at + 2) : short);
      if (end > bytes.length) break;
      frames.push({ opcode: bytes[at]! & 0x0f, payload: bytes.subarray(start, end) });
      at = end;
    }
    this.rest = bytes.subarray(at);
    return frames;
  }
}
