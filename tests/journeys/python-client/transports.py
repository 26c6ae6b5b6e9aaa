"""Frames over TCP and over WebSocket (docs/protocol.md section 3). Standard library only."""

import base64
import hashlib
import os
import socket
import struct
from urllib.parse import urlsplit

from messagepack import pack, unpack

CONNECT_SECONDS = 5
NO_CODE = None


class Closed(Exception):
    """The other side ended the connection; `code` is the close code of a WebSocket, if there was one."""

    def __init__(self, code=NO_CODE):
        super().__init__(f"closed with {code}")
        self.code = code


def encode_frame(command, request_id, payload):
    body = pack(payload)
    return struct.pack(">IBBHI", 8 + len(body), 1, 0, command, request_id) + body


class FrameStream:
    """Cuts bytes into (command, requestId, payload); they may come in any pieces."""

    def __init__(self):
        self._held = b""

    def push(self, data):
        self._held += data
        frames = []
        while len(self._held) >= 12:
            length, version, flags, command, request_id = struct.unpack_from(">IBBHI", self._held)
            if version != 1 or flags != 0 or not 8 <= length <= 65_544:
                raise ValueError("not a frame of version 1")
            if len(self._held) < 4 + length:
                break
            frames.append((command, request_id, unpack(self._held[12 : 4 + length])))
            self._held = self._held[4 + length :]
        return frames


class TcpTransport:
    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        host = host.strip("[]")
        self.socket = socket.create_connection((host, int(port)), CONNECT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._frames = FrameStream()

    def fileno(self):
        return self.socket.fileno()

    def send(self, frame):
        self.socket.sendall(frame)

    def tick(self):
        """Nothing is due: the system repeats what is lost."""

    def receive(self):
        """Reads once; the frames that are whole now. Raises Closed at the end of the stream."""
        data = _read_some(self.socket)
        return self._frames.push(data)

    def close(self):
        self.socket.close()


class WebSocketTransport:
    """RFC 6455, the client's side: masked frames, no extensions."""

    def __init__(self, url):
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), CONNECT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._held = b""
        self._message = b""
        self._shake_hands(parts)

    def fileno(self):
        return self.socket.fileno()

    def send(self, frame):
        self._write(0x2, frame)

    def tick(self):
        """As over TCP."""

    def receive(self):
        self._held += _read_some(self.socket)
        return self._take_frames()

    def close(self):
        try:
            self._write(0x8, struct.pack(">H", 1000))
        except OSError:
            pass
        self.socket.close()

    def _shake_hands(self, parts):
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {parts.path} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: carillon.v1",
        ]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += _read_some(self.socket)
        head, self._held = answer.split(b"\r\n\r\n", 1)
        wanted = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        if not head.startswith(b"HTTP/1.1 101") or wanted not in head:
            raise OSError("the WebSocket handshake was refused")

    def _write(self, opcode, data):
        mask = os.urandom(4)
        length = len(data)
        if length < 126:
            size = bytes([0x80 | length])
        elif length < 65_536:
            size = b"\xfe" + struct.pack(">H", length)
        else:
            size = b"\xff" + struct.pack(">Q", length)
        masked = bytes(byte ^ mask[i & 3] for i, byte in enumerate(data))
        self.socket.sendall(bytes([0x80 | opcode]) + size + mask + masked)

    def _take_frames(self):
        frames = []
        while True:
            part = self._take_part()
            if part is None:
                return frames
            final, opcode, data = part
            if opcode == 0x8:
                raise Closed(struct.unpack(">H", data[:2])[0] if len(data) >= 2 else NO_CODE)
            if opcode == 0x9:
                self._write(0xA, data)
            elif opcode in (0x0, 0x2):
                self._message += data
                if final:
                    # A message holds whole frames.
                    frames += FrameStream().push(self._message)
                    self._message = b""

    def _take_part(self):
        held = self._held
        if len(held) < 2:
            return None
        length, at = held[1] & 0x7F, 2
        if length >= 126:
            form = ">H" if length == 126 else ">Q"
            if len(held) < 2 + struct.calcsize(form):
                return None
            (length,) = struct.unpack_from(form, held, 2)
            at += struct.calcsize(form)
        if len(held) < at + length:
            return None
        self._held = held[at + length :]
        return bool(held[0] & 0x80), held[0] & 0x0F, held[at : at + length]


def _read_some(connection):
    try:
        data = connection.recv(65_536)
    except ConnectionError as error:
        raise Closed() from error
    if data == b"":
        raise Closed()
    return data
