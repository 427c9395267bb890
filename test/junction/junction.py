"""A Junction to test against: README.md says what it does.

Prints one line of JSON with its ports, and serves until it is told to end.
"""

import argparse
import base64
import functools
import gzip
import json
import os
import re
import select
import signal
import socket
import socketserver
import struct
import sys
import threading
import time
from collections import Counter, deque
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "convergence"))

import catalog
import front
import history
import misbehave
import world as worlds
from request import Request, Response, encoded
from vendor import Vendor

KEY_HEADER = "X-Vital-API-Key"
LOG_LENGTH = 20_000
MASK = "(key)"


@functools.lru_cache(maxsize=512)
def gzipped(body):
    """The same bytes for the same body: without a time of its making."""
    return gzip.compress(body, 6, mtime=0)


class Stats:
    """Counts, and a log of requests in which no key stands."""

    def __init__(self):
        self.lock = threading.Lock()
        self.reset()

    def reset(self):
        with self.lock:
            self.requests, self.paths, self.statuses, self.faults = 0, Counter(), Counter(), Counter()
            self.protocols, self.front = Counter(), set()
            self.left = self.unauthorized = self.keys_in_urls = self.trapped = self.trapped_with_key = 0
            self.accepted, self.peak_connections, self.peak_requests = 0, 0, 0
            self.log = deque(maxlen=LOG_LENGTH)

    open_connections = busy = 0  # not reset: they go on

    def add(self, **what):
        with self.lock:
            for name, count in what.items():
                setattr(self, name, getattr(self, name) + count)
            self.peak_connections = max(self.peak_connections, self.open_connections)
            self.peak_requests = max(self.peak_requests, self.busy)

    def request(self, entry, front):
        with self.lock:
            self.requests += 1
            self.paths[entry["path"].partition("?")[0]] += 1
            self.statuses[entry["status"]] += 1
            self.protocols[entry["protocol"]] += 1
            if entry["do"]:
                self.faults[entry["do"]] += 1
            if front:
                self.front.add(front)
            self.log.append({"number": self.requests, **entry})

    def told(self):
        with self.lock:
            return {
                "requests": self.requests,
                "paths": self.paths,
                "statuses": self.statuses,
                "faults": self.faults,
                "protocols": self.protocols,
                "connections": self.accepted,
                "open_connections": self.open_connections,
                "peak_connections": self.peak_connections,
                "busy": self.busy,
                "peak_requests": self.peak_requests,
                "front_connections": len(self.front),
                "clients_left": self.left,
                "unauthorized": self.unauthorized,
                "keys_in_urls": self.keys_in_urls,
                "trapped": self.trapped,
                "trapped_with_key": self.trapped_with_key,
            }

    def entries(self):
        with self.lock:
            return list(self.log)


class Junction:
    """The world, the settings and the counts, which the two servers share."""

    def __init__(self, options):
        self.world = history.world_with_history(
            options.seed,
            options.days,
            history.midnight(options.until),
            options.density,
            options.people,
            options.crowd,
            options.only,
        )
        self.vendor = Vendor(self.world, worlds.ENDPOINTS)
        self.stats = Stats()
        self.rules = misbehave.Rules()
        self.page_size, self.clock, self.latency = options.page_size, None, 0
        self.clocks = []
        self.keys = {endpoint: [f"sk_us_{endpoint}"] for endpoint in worlds.ENDPOINTS}
        self.trap = None
        for text in options.key:
            endpoint, _, key = text.partition("=")
            self.keys[endpoint] = [key]
        if options.clock:
            self.clock = self.seconds_of(options.clock)

    @staticmethod
    def seconds_of(clock):
        """The Date of answers, and the instant whose state they show: text, or Unix seconds; None: the machine's."""
        if clock is None or isinstance(clock, int):
            return clock
        at = datetime.fromisoformat(clock)
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())

    def now(self, path):
        for pattern, clock in self.clocks:
            if pattern.search(path):
                return clock
        return int(time.time()) if self.clock is None else self.clock

    def set_world(self, seed, floating):
        """Another one, without a history; and the providers whose instants are taken literally."""
        self.world = history.world_with_history(seed, 0, None, 0, 0, floored=worlds.FLOORED)
        link_base = self.vendor.link_base
        self.vendor = Vendor(self.world, worlds.ENDPOINTS, floating)
        self.vendor.link_base = link_base

    def endpoint_of(self, key):
        return next((endpoint for endpoint, keys in self.keys.items() if key in keys), None)

    def masked(self, text):
        for key in (key for keys in self.keys.values() for key in keys if key):
            if key in text:
                self.stats.add(keys_in_urls=1)
                text = text.replace(key, MASK)
        return text

    def control(self, wanted):
        """Checks all before it changes anything. Returns what stands now."""
        unknown = set(wanted) - {
            "rules", "seed", "page_size", "clock", "clocks", "latency", "keys", "pulls", "reset", "world", "floating"
        }
        if unknown:
            raise misbehave.BadRule(f"unknown: {', '.join(sorted(unknown))}")
        rules = None
        if "rules" in wanted or "seed" in wanted:
            rules = misbehave.Rules(wanted.get("rules", ()), wanted.get("seed", self.rules.seed))
        if not set(wanted.get("keys", ())) <= set(worlds.ENDPOINTS):
            raise misbehave.BadRule(f"keys are of {' and '.join(worlds.ENDPOINTS)}")
        if wanted.get("page_size", 1) < 1:
            raise misbehave.BadRule("a page has one sample at least")
        clocks = [(re.compile(pattern), self.seconds_of(clock)) for pattern, clock in wanted.get("clocks", ())]
        if "clock" in wanted:
            self.clock = self.seconds_of(wanted["clock"])
        if "clocks" in wanted:
            self.clocks = clocks
        if "world" in wanted:
            self.set_world(wanted["world"], wanted.get("floating", catalog.FLOATING))
        if wanted.get("reset"):
            self.stats.reset()
        self.rules = rules or self.rules
        self.page_size, self.latency = wanted.get("page_size", self.page_size), wanted.get("latency", self.latency)
        self.keys.update(wanted.get("keys", {}))
        self.vendor.pulls = wanted.get("pulls", self.vendor.pulls)
        return {
            "rules": self.rules.stats(),
            "seed": self.rules.seed,
            "page_size": self.page_size,
            "clock": self.clock,
            "latency": self.latency,
        }

    def events(self, endpoint):
        """The same world as webhooks, for whoever signs and delivers them."""
        return [
            {
                "endpoint": event.endpoint,
                "message_id": event.message_id,
                "version": event.version,
                "sent_at": getattr(event, "sent_at", None),
                "body": base64.b64encode(event.body).decode(),
            }
            for event in self.world.events
            if isinstance(event, worlds.Message) and endpoint in ("", event.endpoint)
        ]


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, request_queue_size, block_on_close = True, True, 512, False

    def __init__(self, port, handler, junction):
        self.junction = junction
        super().__init__(("127.0.0.1", port), handler)

    def shutdown_request(self, request):
        """A connection that is to be reset must not be closed in good order first."""
        if struct.unpack("ii", request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))[0]:
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """What both servers have: a request read whole, a response written whole."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        # the Date of the response is the instant whose state it shows, however late it is sent
        self.now = self.server.junction.now(self.path)
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > 1 << 20 or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self.write(Response(413, encoded({"detail": "Content Too Large"})))
            return
        self.respond(self.rfile.read(int(length)))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_GET

    def head(self, response, length, *headers):
        lines = [
            f"HTTP/1.1 {response.status} {self.responses.get(response.status, ('',))[0]}",
            f"Date: {formatdate(self.now, usegmt=True)}",
            "Content-Type: application/json",
        ]
        lines += [f"{name}: {value}" for name, value in (*response.headers, *headers)]
        lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
        if self.close_connection:
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode()

    def write(self, response, *headers):
        body = b"" if self.command == "HEAD" else response.body
        self.wfile.write(self.head(response, len(response.body), *headers) + body)


class Control(Handler):
    """POST /_control, GET /_stats, /_log, /_events; /_link, where a person connects a provider; and /_trap, where no
    client should come."""

    def respond(self, body):
        junction, request = self.server.junction, Request(self.command, self.path)
        where, status = (self.command, request.path), 200
        if where == ("POST", "_control"):
            try:
                response = junction.control(json.loads(body))
            except (misbehave.BadRule, re.error, ValueError, TypeError, AttributeError) as error:
                status, response = 400, {"error": str(error)}
        elif where == ("GET", "_stats"):
            response = junction.stats.told() | {"rules": junction.rules.stats()}
        elif where == ("GET", "_log"):
            response = junction.stats.entries()
        elif where == ("GET", "_events"):
            response = junction.events(request.text("endpoint"))
        elif where == ("GET", "_link"):
            try:
                now_ms = junction.now("_link") * 1000
                response = junction.vendor.open_link(request.text("token"), request.text("provider", "oura"), now_ms)
            except KeyError:
                status, response = 404, {"error": "the link is not known, used already, or too old"}
        elif request.path.split("/")[0] == "_trap":
            told = " ".join([self.path, *self.headers.values()])
            junction.stats.add(
                trapped=1, trapped_with_key=any(key in told for keys in junction.keys.values() for key in keys)
            )
            response = {"detail": "nobody should follow"}
        else:
            status, response = 404, {"error": "there are POST /_control, GET /_stats, /_log and /_events"}
        self.write(Response(status, json.dumps(response).encode()))


class Api(Handler):
    """The vendor's API."""

    def setup(self):
        super().setup()
        self.server.junction.stats.add(accepted=1, open_connections=1)

    def finish(self):
        self.server.junction.stats.add(open_connections=-1)
        super().finish()

    def respond(self, body):
        junction, stats = self.server.junction, self.server.junction.stats
        rule = junction.rules.decide(self.command, self.path)
        key = self.headers.get(KEY_HEADER, "")
        endpoint = junction.endpoint_of(key)
        self.front = self.headers.get("X-Front-Connection")
        if rule and rule["do"] in ("throttle", "status"):
            response = misbehave.refusal(rule, self.now)  # and nothing is done
        else:
            response = junction.vendor.response(
                self.command, self.path, endpoint, self.now * 1000, junction.page_size, body
            )
        stats.add(busy=1, unauthorized=endpoint is None)
        try:
            entry = {
                "method": self.command,
                "path": junction.masked(self.path),
                "body": junction.masked(body.decode(errors="replace")),
                "status": response.status,
                "do": rule and rule["do"],
                "endpoint": endpoint,
                "protocol": self.headers.get("X-Front-Protocol", self.request_version),
                "connection": self.front or self.client_address[1],
            }
            stats.request(entry, self.front)
            if junction.latency:
                time.sleep(junction.latency)
            fault = getattr(self, "fault_" + rule["do"], None) if rule else None
            fault(rule, response) if fault else self.send(response)
        except OSError:  # the client has left
            stats.add(left=1)
            self.close_connection = True
        finally:
            stats.add(busy=-1)

    def send(self, response):
        if response.body and "gzip" in self.headers.get("Accept-Encoding", "").lower():
            self.write(
                Response(response.status, gzipped(response.body), headers=response.headers),
                ("Content-Encoding", "gzip"),
                ("Vary", "Accept-Encoding"),
            )
        else:
            self.write(response)

    # -- misbehaviour; throttle and status are ordinary answers

    def fault_delay(self, rule, response):
        time.sleep(rule["seconds"])
        self.send(response)

    def fault_hang(self, rule, _):
        """Until the client leaves, or those seconds are over."""
        self.close_connection = True
        watch = select.poll()
        watch.register(self.connection, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
        if watch.poll(rule["seconds"] * 1000):
            raise ConnectionResetError

    def fault_drop(self, rule, _):
        """nginx would make 502 of it, so it is asked to drop the client itself."""
        if self.front:
            self.write(Response(200, b"", headers=(("X-Accel-Redirect", "/_drop"),)))
        else:
            self.leave(rule)

    def fault_cut(self, rule, response):
        kept = response.body[: int(len(response.body) * rule["keep"])]
        if rule["chunked"]:
            self.wfile.write(self.head(response, None) + b"%x\r\n%s" % (len(response.body), kept))
        else:
            self.wfile.write(self.head(response, len(response.body)) + kept)
        self.leave(rule)

    def leave(self, rule):
        self.close_connection = True
        if rule["reset"]:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def fault_json(self, rule, response):
        self.send(misbehave.wrong_json(rule, response))

    def fault_types(self, rule, response):
        self.send(misbehave.wrong_types(rule, response))

    def fault_cursor(self, rule, response):
        self.send(misbehave.other_cursor(rule, response, Request(self.command, self.path)))

    def fault_gzip(self, rule, response):
        """Whether gzip was asked for or not."""
        packed = ("Content-Encoding", "gzip")
        if rule["form"] == "bomb":
            self.wfile.write(self.head(response, None, packed))
            for piece in misbehave.bomb(rule["bytes"]):
                self.write_chunk(piece)
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.write(
                Response(response.status, misbehave.wrong_gzip(rule, response.body), headers=response.headers), packed
            )

    def fault_endless(self, rule, response):
        """Ends after so many bytes, if it is told any."""
        left, chunked = rule["bytes"], rule["chunked"] or rule["bytes"] is None
        self.wfile.write(self.head(response, None if chunked else left))
        for block in misbehave.endless_samples():
            block = block if left is None else block[:left]
            if not block:
                break
            self.write_chunk(block) if chunked else self.wfile.write(block)
            left = left and left - len(block)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def write_chunk(self, block):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))

    def fault_redirect(self, rule, _):
        to = rule["to"] or f"{self.server.junction.trap}{self.path}"
        self.write(Response(rule["status"], encoded({"detail": "moved"}), headers=(("Location", to),)))

    def fault_trickle(self, rule, response):
        self.wfile.write(self.head(response, len(response.body)))
        for at in range(0, len(response.body), rule["bytes"]):
            self.wfile.write(response.body[at : at + rule["bytes"]])
            time.sleep(rule["seconds"])

    def fault_exit(self, rule, _):
        os._exit(rule["status"])


def options():
    parser = argparse.ArgumentParser(description="A Junction to test against.")
    parser.add_argument("--seed", default="1", help="of the world, as test/convergence has it")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--page-size", type=int, default=500, help="samples in a page")
    parser.add_argument("--key", action="append", default=[], metavar="ENDPOINT=KEY")
    parser.add_argument("--clock", help="the Date of all answers; the machine's otherwise")
    parser.add_argument("--days", type=int, default=0, help="of history beside the world")
    parser.add_argument("--until", default="2025-06-01", help="the day on which its people connect")
    parser.add_argument("--density", type=int, default=96, help="readings a day of what is read often")
    parser.add_argument("--crowd", type=int, default=0, help="of so many others, p0 and so on, at the first endpoint, too")
    parser.add_argument("--only", action="append", default=[], metavar="RESOURCE", help="no others in a history")
    parser.add_argument("--people", type=int, default=4, help="so many have a history")
    chosen = parser.parse_args()
    chosen.seed = int(chosen.seed) if chosen.seed.isdigit() else chosen.seed
    return chosen


def main():
    front.end_with_parent()
    chosen = options()
    junction = Junction(chosen)
    api, control = Server(chosen.port, Api, junction), Server(chosen.control_port, Control, junction)
    junction.vendor.link_base = f"http://127.0.0.1:{control.server_address[1]}/_link"
    junction.trap = f"http://localhost:{control.server_address[1]}/_trap"
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    threading.Thread(target=control.serve_forever, daemon=True).start()
    print(
        json.dumps({"port": api.server_address[1], "control_port": control.server_address[1], "pid": os.getpid()}),
        flush=True,
    )
    api.serve_forever()


if __name__ == "__main__":
    main()
