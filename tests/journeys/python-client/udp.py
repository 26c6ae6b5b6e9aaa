"""Frames over UDP (docs/protocol.md section 13). Standard library only."""

import os
import socket
import struct
import sys
import time

from chacha20poly1305 import seal, unseal
from transports import Closed, FrameStream

TO_GATEWAY, TO_CLIENT = 0, 1
HEADER_BYTES, SEGMENT_BYTES, WINDOW_BYTES, REPLAY_NUMBERS = 16, 1_024, 65_536, 1_024
RECEIVED, DATA, CHALLENGE, ECHO, CLOSE = 1, 2, 3, 4, 5
FIRST_RESEND_SECONDS, MOST_RESEND_SECONDS = 0.5, 8
OPEN_SECONDS = 5
KEEP_ALIVE_SECONDS = 20
ACKNOWLEDGE_SECONDS = 0.02


def seal_datagram(direction, ticket_id, key, number, parts):
    header = ticket_id + struct.pack(">Q", number)
    return header + seal(key, struct.pack(">IQ", direction, number), parts, header)


def open_datagram(direction, key, datagram):
    """(packet number, parts); None when it is not genuine."""
    header = datagram[:HEADER_BYTES]
    (number,) = struct.unpack(">Q", header[8:])
    parts = unseal(key, struct.pack(">IQ", direction, number), datagram[HEADER_BYTES:], header)
    return None if parts is None else (number, parts)


def _six(number):
    return number.to_bytes(6, "big")


class UdpTransport:
    def __init__(self, ticket):
        self.ticket_id, self.key = bytes.fromhex(ticket["ticketId"]), bytes.fromhex(ticket["key"])
        host, port = ticket["address"].rsplit(":", 1)
        family, _, _, _, place = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.place = place
        self.number = 0
        self.seen, self.highest = set(), -1
        # Outwards: what was not sent yet; offset -> [bytes, when to repeat, pause] of what was not acknowledged.
        self.unsent, self.end, self.in_flight = b"", 0, {}
        # Inwards: bytes that came without a gap; offset -> bytes of those behind a gap.
        self.received, self.early = 0, {}
        self.acknowledge_at = None
        self.frames, self.stream = [], FrameStream()
        self.close_code, self.echoed = None, False
        self.last_write = 0
        self._open()

    def fileno(self):
        return self.socket.fileno()

    def send(self, frame):
        self.unsent += frame
        self.tick()

    def receive(self):
        """Reads one datagram; the frames that are whole now. Raises Closed when the gateway has ended the session."""
        datagram, _ = self.socket.recvfrom(2_048)
        self._take_datagram(datagram)
        if self.close_code is not None:
            raise Closed(self.close_code)
        self.tick()
        frames, self.frames = self.frames, []
        return frames

    def tick(self):
        """Sends what is due: new bytes, repetitions, an acknowledgement."""
        now = time.monotonic()
        for offset, segment in self.in_flight.items():
            if segment[1] <= now:
                segment[2] = min(MOST_RESEND_SECONDS, 2 * segment[2])
                segment[1] = now + segment[2]
                self._send_segment(offset, segment[0])
        while self.unsent and sum(len(each[0]) for each in self.in_flight.values()) < WINDOW_BYTES:
            data, self.unsent = self.unsent[:SEGMENT_BYTES], self.unsent[SEGMENT_BYTES:]
            self.in_flight[self.end] = [data, now + FIRST_RESEND_SECONDS, FIRST_RESEND_SECONDS]
            self._send_segment(self.end, data)
            self.end += len(data)
        if self.acknowledge_at is not None and self.acknowledge_at <= now:
            self._send(self._received_part())
        if now - self.last_write > KEEP_ALIVE_SECONDS:
            self._send(bytes([CHALLENGE]) + os.urandom(8))

    def close(self):
        self._send(bytes([CLOSE]) + struct.pack(">H", 0))
        self.socket.close()

    def _open(self):
        """Waits for an answer of the gateway, which shows that it has the ticket and that datagrams pass."""
        self.socket.settimeout(FIRST_RESEND_SECONDS)
        deadline = time.monotonic() + OPEN_SECONDS
        while not self.echoed and time.monotonic() < deadline:
            self._send(bytes([CHALLENGE]) + os.urandom(8))
            try:
                self._take_datagram(self.socket.recvfrom(2_048)[0])
            except OSError:
                continue
        if not self.echoed:
            self.socket.close()
            raise OSError("the gateway does not answer over UDP")
        self.socket.settimeout(None)

    def _take_datagram(self, datagram):
        if datagram[:8] != self.ticket_id or len(datagram) <= HEADER_BYTES + 16:
            return
        opened = open_datagram(TO_CLIENT, self.key, datagram)
        if opened is None:
            return
        number, parts = opened
        if number in self.seen or number <= self.highest - REPLAY_NUMBERS:
            return
        self.highest = max(self.highest, number)
        self.seen = {each for each in self.seen if each > self.highest - REPLAY_NUMBERS} | {number}
        self._take_parts(parts)

    def _take_parts(self, parts):
        at = 0
        while at < len(parts):
            kind, at = parts[at], at + 1
            if kind == RECEIVED:
                received, count = int.from_bytes(parts[at : at + 6], "big"), parts[at + 6]
                at += 7
                numbers = [int.from_bytes(parts[at + 6 * i : at + 6 * i + 6], "big") for i in range(2 * count)]
                at += 12 * count
                self._acknowledged([(0, received)] + list(zip(numbers[::2], numbers[1::2])))
            elif kind == DATA:
                offset, length = int.from_bytes(parts[at : at + 6], "big"), int.from_bytes(parts[at + 6 : at + 8], "big")
                self._take_data(offset, parts[at + 8 : at + 8 + length])
                at += 8 + length
            elif kind in (CHALLENGE, ECHO):
                if kind == CHALLENGE:
                    self._send(bytes([ECHO]) + parts[at : at + 8])
                self.echoed = self.echoed or kind == ECHO
                at += 8
            elif kind == CLOSE:
                (self.close_code,) = struct.unpack_from(">H", parts, at)
                return
            else:
                return

    def _acknowledged(self, ranges):
        for offset, segment in list(self.in_flight.items()):
            if any(low <= offset and offset + len(segment[0]) <= high for low, high in ranges):
                del self.in_flight[offset]

    def _take_data(self, offset, data):
        if self.acknowledge_at is None:
            self.acknowledge_at = time.monotonic() + ACKNOWLEDGE_SECONDS
        if offset + len(data) > self.received + WINDOW_BYTES:
            return
        if len(self.early.get(offset, b"")) < len(data):
            self.early[offset] = data
        for start in sorted(self.early):
            if start > self.received:
                break
            fresh = self.early.pop(start)[self.received - start :]
            self.received += len(fresh)
            self.frames += self.stream.push(fresh)

    def _received_part(self):
        ranges = []
        for offset in sorted(self.early):
            end = offset + len(self.early[offset])
            if ranges and offset <= ranges[-1][1]:
                ranges[-1][1] = max(end, ranges[-1][1])
            else:
                ranges.append([offset, end])
        self.acknowledge_at = None
        ranges = ranges[:8]
        return bytes([RECEIVED]) + _six(self.received) + bytes([len(ranges)]) + b"".join(
            _six(low) + _six(high) for low, high in ranges
        )

    def _send_segment(self, offset, data):
        self._send(self._received_part() + bytes([DATA]) + _six(offset) + struct.pack(">H", len(data)) + data)

    def _send(self, parts):
        self.last_write = time.monotonic()
        datagram = seal_datagram(TO_GATEWAY, self.ticket_id, self.key, self.number, parts)
        self.number += 1
        try:
            self.socket.sendto(datagram, self.place)
        except OSError:
            # A datagram that cannot be sent is a lost one.
            pass


def write_samples():
    """Datagrams for schemas/golden/datagrams.json: one line of JSON each on standard input, {direction, ticketId, key, number, parts}."""
    import json

    for line in sys.stdin:
        each = json.loads(line)
        fields = [bytes.fromhex(each[name]) for name in ("ticketId", "key", "parts")]
        ticket_id, key, parts = fields
        print(seal_datagram(each["direction"], ticket_id, key, each["number"], parts).hex())


if __name__ == "__main__":
    write_samples()
