"""
A client of Carillon in Python's standard library; it knows what docs/protocol.md says, and nothing else.

    python3 carillon_client.py --api http://127.0.0.1:21000 --user alice --password "correct horse" --register

It reads orders from standard input and writes what happens to standard output, one JSON document a line each:
{"do": "send", "to": "u:bob", "content": "hello"}, {"do": "pull", "conversationId": "p:alice:bob", "fromSeq": 1},
{"do": "read", "conversationId": ..., "seq": 1}, {"do": "break"} (the connection is dropped), {"do": "quit"}.

Cursor, numbers shown and unsent messages are kept in --state FILE, so that it may be killed at any moment.
"""

import argparse
import json
import os
import random
import select
import sys
import time
import urllib.error
import urllib.request

from transports import Closed, TcpTransport, WebSocketTransport, encode_frame
from udp import UdpTransport

(CONNECT, CONNECTED, PING, PONG, GOAWAY, DISCONNECT, KICKED, ERROR, TOKEN, SEND, SENT, DELIVER, RECEIVED) = range(1, 14)
PULL, PULLED, SYNC, SYNCED, READ, READ_UPDATE, DELIVERED_UPDATE = 15, 16, 17, 18, 20, 21, 22

ANSWER_SECONDS = 5
# Over UDP, something may have to be repeated.
TICK_SECONDS = 0.05
ACK_SECONDS, ACK_EVENTS = 0.05, 20
RESEND_SECONDS = (5, 10, 20)
REFRESH_SECONDS_BEFORE = 60


class ApiError(Exception):
    def __init__(self, status, body):
        super().__init__(f"{status} {body}")
        self.name = body.get("name")


class Refused(Exception):
    """CONNECT was answered by an ERROR."""

    def __init__(self, payload):
        super().__init__(payload["name"])
        self.name = payload["name"]


def uuid7(now_ms):
    """48 bits of time, version 7, variant 10, the rest random (section 7)."""
    value = (int(now_ms) << 80) | random.SystemRandom().getrandbits(80)
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


class Link:
    """One connection; `frames` came and were not looked at yet."""

    def __init__(self, transport):
        self.transport = transport
        self.frames = []
        self.requests = 0
        self.close_code = None

    def send(self, command, payload):
        self.requests += 1
        self.transport.send(encode_frame(command, self.requests, payload))
        return self.requests

    def read(self, seconds):
        """Waits for more frames, at most so long. Raises Closed."""
        self.transport.tick()
        readable, _, _ = select.select([self.transport], [], [], max(0, min(seconds, TICK_SECONDS)))
        if readable:
            self.frames += self.transport.receive()


class Client:
    def __init__(self, options, tell):
        self.options = options
        self.tell = tell
        self.tokens = None
        self.refresh_at = 0
        self.clock_offset = 0
        self.link = None
        self.heartbeat = 30
        self.last_write = 0
        self.pings = 0
        self.move_at, self.move_to = None, None
        # What has to be asked again after BUSY: (when, what).
        self.later = []
        self.unacked, self.ack_at = 0, None
        # requestId -> what to do with the answer, on the present link only.
        self.waiting = {}
        self.cursor = None
        # conversationId -> number of the last event shown; early ones wait for those before them.
        self.shown, self.early, self.pulling = {}, {}, set()
        # Events that are shown once the file knows that they are.
        self.to_tell = []
        # Messages that are not SENT yet: clientMsgId -> payload; when to repeat them, and how often that was done.
        self.outbox, self.resend = {}, {}
        self.load()

    # HTTP (section 2)

    def call(self, method, path, body=None):
        headers = {}
        if body is not None:
            headers["content-type"] = "application/json"
        if self.tokens is not None:
            headers["authorization"] = "Bearer " + self.tokens["accessToken"]
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.options.api + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, json.loads(error.read() or b"{}")) from error
        return json.loads(text) if text else None

    def register(self):
        user, password = self.options.user, self.options.password
        self.call("POST", "/v1/users", {"userId": user, "displayName": user, "password": password})

    def log_in(self):
        self.tokens = None
        body = {"userId": self.options.user, "password": self.options.password}
        self.take_tokens(self.call("POST", "/v1/sessions", {**body, "deviceId": self.options.device, "platform": "other"}))

    def refresh(self):
        try:
            self.take_tokens(self.call("POST", "/v1/sessions/refresh", {"refreshToken": self.tokens["refreshToken"]}))
        except ApiError:
            self.log_in()

    def take_tokens(self, tokens):
        self.tokens = tokens
        life = tokens["expiresIn"]
        self.refresh_at = time.monotonic() + max(life / 2, life - REFRESH_SECONDS_BEFORE)

    # Connecting (section 6)

    def open_link(self, first=None):
        """A connected link: `first`, else the route's; follows GOAWAY three times, then insists."""
        for attempt in range(4):
            gateways = [first] if first is not None else self.call("GET", "/v1/route")["gateways"]
            first = None
            for place, gateway in enumerate(gateways):
                try:
                    link = Link(self.open_transport(gateway))
                except OSError:
                    continue
                answer = self.connect(link, fallback=place > 0 or attempt == 3)
                if "reconnectTo" not in answer and "sessionId" in answer:
                    return link, answer
                first = answer.get("reconnectTo")
                break
        raise Closed()

    def open_transport(self, gateway):
        if self.options.transport == "ws":
            return WebSocketTransport(gateway["ws"])
        if self.options.transport == "udp":
            return UdpTransport(self.call("POST", "/v1/udp-tickets", {"gatewayId": gateway["gatewayId"]}))
        return TcpTransport(gateway["tcp"])

    def connect(self, link, fallback):
        payload = {"token": self.tokens["accessToken"], "deviceId": self.options.device, "platform": "other"}
        payload["sdk"] = "carillon-python/1"
        if self.cursor is not None and self.cursor["seq"] is not None:
            payload["inbox"] = dict(self.cursor)
        if fallback:
            payload["fallback"] = True
        request = link.send(CONNECT, payload)
        deadline = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline:
            for index, (command, request_id, answer) in enumerate(link.frames):
                if request_id != request:
                    continue
                link.frames = link.frames[index + 1 :]
                if command == ERROR and answer["name"] in ("BUSY", "RATE_LIMITED"):
                    time.sleep(answer.get("retryAfterMs", 500) / 1_000)
                    request = link.send(CONNECT, payload)
                    break
                if command == ERROR:
                    link.transport.close()
                    raise Refused(answer)
                return answer
            link.read(deadline - time.monotonic())
        raise Closed()

    def use(self, link, connected):
        old, self.link = self.link, link
        if old is not None:
            old.transport.close()
        self.move_at = None
        self.waiting, self.pulling, self.later = {}, set(), []
        self.unacked, self.ack_at = 0, None
        self.heartbeat = connected["heartbeatSeconds"]
        self.clock_offset = connected["serverTime"] - time.time() * 1_000
        self.last_write, self.pings = time.monotonic(), 0
        head, resume = connected["inbox"], connected["resume"]
        self.tell("connected", gatewayId=connected["gatewayId"], resume=resume)
        if resume == "resync" or (self.cursor is None and resume == "none"):
            self.cursor = dict(head)
        elif self.cursor is None:
            # The server's memory counts; the first DELIVER tells the number.
            self.cursor = {"epoch": head["epoch"], "seq": None}
        if resume == "resync":
            self.sync({})
        # Nobody knows what became of these: the same frames again.
        for client_msg_id in list(self.outbox):
            self.submit(client_msg_id, self.resend.get(client_msg_id, (0, 0))[1])

    def reconnect(self):
        bound = 0.5
        while True:
            time.sleep(random.uniform(0, bound))
            bound = min(30, bound * 2)
            try:
                if self.tokens is None:
                    self.log_in()
                self.use(*self.open_link())
                return
            except Refused as refused:
                if refused.name == "TOKEN_EXPIRED":
                    self.refresh()
                elif refused.name in ("NOT_AUTHENTICATED", "TOKEN_REVOKED"):
                    self.tokens = None
                else:
                    raise
            except (OSError, ApiError, Closed) as error:
                self.tell("retry", reason=str(error))

    # Sending (section 7)

    def send(self, to, content, client_msg_id=None):
        client_msg_id = client_msg_id or uuid7(time.time() * 1_000 + self.clock_offset)
        payload = {"clientMsgId": client_msg_id, "to": to, "contentType": "text", "content": content}
        self.outbox[client_msg_id] = payload
        self.save()
        self.submit(client_msg_id, 0)

    def submit(self, client_msg_id, timeouts):
        """`timeouts`: how often there was no answer; BUSY and a lost connection do not count."""
        wait = RESEND_SECONDS[min(timeouts, len(RESEND_SECONDS) - 1)]
        self.resend[client_msg_id] = (time.monotonic() + wait, timeouts)

        def answered(command, answer):
            self.answered(client_msg_id, command, answer)

        self.request(SEND, self.outbox[client_msg_id], answered)

    def answered(self, client_msg_id, command, answer):
        if command == ERROR and answer["name"] in ("BUSY", "RATE_LIMITED"):
            return self.after(answer, lambda: client_msg_id in self.outbox and self.submit(client_msg_id, 0))
        self.outbox.pop(client_msg_id, None)
        self.resend.pop(client_msg_id, None)
        self.save()
        if command == SENT:
            self.tell("sent", **answer)
        else:
            self.tell("failed", clientMsgId=client_msg_id, name=answer["name"])

    def after(self, busy, again):
        self.later.append((time.monotonic() + busy.get("retryAfterMs", 1_000) / 1_000, again))

    def request(self, command, payload, on_answer=lambda command, answer: None):
        self.last_write = time.monotonic()
        self.waiting[self.link.send(command, payload)] = on_answer

    # Receiving (section 8)

    def take(self, command, request_id, payload):
        if command == DELIVER:
            return self.deliver(payload)
        if command == GOAWAY:
            self.tell("goaway", reason=payload["reason"])
            self.move_at = time.monotonic() + payload["afterMs"] / 1_000
            self.move_to = payload.get("reconnectTo")
        elif command == KICKED:
            self.link.close_code = payload["code"]
        elif command == PONG:
            self.pings = 0
            self.clock_offset = payload["serverTime"] - time.time() * 1_000
        elif command == DELIVERED_UPDATE:
            self.tell("delivered", **payload)
        elif command == READ_UPDATE:
            self.tell("read", **payload)
        elif request_id in self.waiting:
            self.waiting.pop(request_id)(command, payload)
        # Anything else is of a later version.

    def deliver(self, payload):
        if payload["epoch"] != self.cursor["epoch"]:
            self.cursor = {"epoch": payload["epoch"], "seq": 0}
            self.sync({})
        for inbox_seq, event in payload["events"]:
            known = self.cursor["seq"]
            if known is not None and inbox_seq > known + 1:
                raise Closed()
            if known is None or inbox_seq > known:
                self.cursor["seq"] = inbox_seq
            self.show(event)
            self.unacked += 1
        self.save()
        if self.unacked >= ACK_EVENTS:
            self.acknowledge()
        elif self.unacked > 0 and self.ack_at is None:
            self.ack_at = time.monotonic() + ACK_SECONDS

    def acknowledge(self):
        self.unacked, self.ack_at = 0, None
        self.last_write = time.monotonic()
        self.link.send(RECEIVED, {"epoch": self.cursor["epoch"], "inboxSeq": self.cursor["seq"]})

    def show(self, event):
        """Each number once, in order; what is missing before it is pulled."""
        conversation, seq = event["conversationId"], event["seq"]
        last = self.shown.get(conversation, 0)
        if seq <= last:
            return
        early = self.early.setdefault(conversation, {})
        early[seq] = event
        while last + 1 in early:
            last += 1
            shown = early.pop(last)
            self.shown[conversation] = last
            self.to_tell.append(shown)
        if early:
            self.pull_gap(conversation, last + 1, min(early) - 1)

    # Reading what is stored (section 9)

    def pull_gap(self, conversation, first, last):
        if conversation in self.pulling:
            return
        self.pulling.add(conversation)

        def pulled(command, answer):
            self.pulling.discard(conversation)
            if command != PULLED:
                return self.after(answer, lambda: self.pull_gap(conversation, first, last))
            for event in answer["events"]:
                self.show(event)
            if answer["more"] and answer["events"]:
                self.pull_gap(conversation, answer["events"][-1]["seq"] + 1, last)
            self.save()

        self.request(PULL, {"conversationId": conversation, "fromSeq": first, "toSeq": last, "limit": 64}, pulled)

    def sync(self, payload):
        def synced(command, answer):
            if command != SYNCED:
                return self.after(answer, lambda: self.sync(payload))
            for row in answer["conversations"]:
                conversation, known = row["conversationId"], self.shown.get(row["conversationId"], 0)
                if row["lastSeq"] > known:
                    self.pull_gap(conversation, known + 1, row["lastSeq"])
            if answer["more"]:
                self.sync({"cursor": answer["cursor"]})
            else:
                self.tell("synced", conversations=answer["counts"]["conversations"])

        self.request(SYNC, payload, synced)

    # The loop

    def step(self, seconds):
        """What is due, then frames, at most so long."""
        now = time.monotonic()
        if self.move_at is not None and now >= self.move_at:
            self.move()
        if now >= self.refresh_at:
            self.refresh()
            self.request(TOKEN, {"token": self.tokens["accessToken"]})
        if self.ack_at is not None and now >= self.ack_at:
            self.acknowledge()
        if now - self.last_write >= self.heartbeat:
            self.pings += 1
            if self.pings > 2:
                raise Closed()
            self.request(PING, {})
        for client_msg_id, (due, timeouts) in list(self.resend.items()):
            if now >= due and timeouts >= len(RESEND_SECONDS) - 1:
                self.answered(client_msg_id, ERROR, {"name": "not sent"})
            elif now >= due:
                self.submit(client_msg_id, timeouts + 1)
        for item in [item for item in self.later if now >= item[0]]:
            self.later.remove(item)
            item[1]()
        self.link.read(seconds)
        while self.link.frames:
            self.take(*self.link.frames.pop(0))

    def move(self):
        """
        Make before break: the new connection first. What the old one still holds is not read any more; it comes
        again, since the cursor has not moved, and SENDs without an answer are repeated.
        """
        self.move_at = None
        self.use(*self.open_link(self.move_to))

    def load(self):
        if self.options.state and os.path.exists(self.options.state):
            with open(self.options.state, encoding="utf-8") as file:
                state = json.load(file)
            self.cursor, self.shown, self.outbox = state["cursor"], state["shown"], state["outbox"]

    def save(self):
        if self.options.state:
            draft = self.options.state + ".draft"
            with open(draft, "w", encoding="utf-8") as file:
                json.dump({"cursor": self.cursor, "shown": self.shown, "outbox": self.outbox}, file)
            os.replace(draft, self.options.state)
        # Told afterwards: who is killed in between shows an event once or not at all, never twice.
        for event in self.to_tell:
            self.tell("message", **event)
        self.to_tell = []


def obey(client, order):
    """@returns whether to go on"""
    what = order.pop("do")
    if what == "quit":
        client.link.send(DISCONNECT, {})
        return False
    if what == "send":
        client.send(order["to"], order["content"], order.get("clientMsgId"))
    elif what == "read":
        client.request(READ, order, lambda command, answer: client.tell("marked", ok=command != ERROR))
    elif what == "pull":
        client.request(PULL, order, lambda command, answer: client.tell("pulled", ok=command == PULLED, **answer))
    elif what == "break":
        client.link.transport.socket.close()
        raise Closed()
    else:
        client.tell("failed", name=f"no order {what}")
    return True


def run(client):
    """Obeys and listens until `quit` or the end of the input."""
    orders = b""
    while True:
        try:
            if client.link is None:
                client.reconnect()
            readable, _, _ = select.select([client.link.transport, sys.stdin], [], [], 0.02)
            if sys.stdin in readable:
                data = os.read(sys.stdin.fileno(), 65_536)
                if data == b"":
                    return
                orders += data
            while b"\n" in orders:
                line, orders = orders.split(b"\n", 1)
                if not obey(client, json.loads(line)):
                    return
            client.step(0)
        except (Closed, OSError) as error:
            code = (client.link and client.link.close_code) or getattr(error, "code", None)
            client.tell("closed", code=code)
            if client.link is not None:
                client.link.transport.socket.close()
            client.link = None
            if code is not None and 4200 <= code < 4300:
                return
            if code is not None and 4100 <= code < 4200:
                client.tokens = None


def main():
    parser = argparse.ArgumentParser(description="A Carillon client in the standard library")
    parser.add_argument("--api", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--device", default="python-1")
    parser.add_argument("--transport", choices=("tcp", "ws", "udp"), default="tcp")
    parser.add_argument("--register", action="store_true")
    parser.add_argument("--state")
    options = parser.parse_args()

    def tell(what, /, **fields):
        print(json.dumps({"type": what, **fields}), flush=True)

    client = Client(options, tell)
    if options.register:
        client.register()
    client.log_in()
    run(client)


if __name__ == "__main__":
    main()
