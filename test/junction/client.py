"""A Junction of one's own, started, asked and told how to misbehave from Python."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

HERE = Path(__file__).resolve().parent
KEY = "sk_us_junction"
TIMEOUT = 20
NOTHING = (http.client.HTTPException, OSError)


class Program:
    """A program that prints a line of JSON when it is ready; ended whatever happens."""

    def __init__(self, *command):
        self.command = [sys.executable, "-B", *map(str, command)]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.command} did not start")
        self.told = json.loads(line)
        self.port = self.told["port"]
        give_up = time.monotonic() + TIMEOUT
        while time.monotonic() < give_up and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise SystemExit(f"{self.command} does not listen")

    def end(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(TIMEOUT)
        self.process.stdout.close()


class Junction(Program):
    def __init__(self, *arguments):
        super().__init__(HERE / "junction.py", *arguments)
        self.control_port = self.told["control_port"]

    def again(self):
        """Killed if it is still there, and back on the same ports; rules and counts are gone."""
        self.end(signal.SIGKILL)
        self.command += ["--port", str(self.port), "--control-port", str(self.control_port)]
        self.start()

    def control(self, **wanted):
        return self.at_control("POST", "/_control", json.dumps(wanted))

    def rule(self, do=None, **rest):
        """No rule, or that one; returns nothing, so that the next line asks."""
        status, told = self.control(rules=[{"do": do, **rest}] if do else [], reset=True)
        if status != 200:
            raise SystemExit(f"the rule {do} {rest} is refused: {told}")

    def at_control(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.control_port, timeout=TIMEOUT)
        connection.request(method, path, body)
        response = connection.getresponse()
        told = response.status, json.loads(response.read())
        connection.close()
        return told

    def stats(self):
        return self.at_control("GET", "/_stats")[1]

    def ask(self, path, query=None, headers=None, key=KEY, method="GET", timeout=TIMEOUT, body=None):
        """(status, headers, body), or the name of what happened instead."""
        target = path + ("?" + urlencode(query) if query else "")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            headers = {**({"X-Vital-API-Key": key} if key else {}), **(headers or {})}
            connection.request(method, target, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        except NOTHING as error:
            return 0, {}, type(error).__name__.encode()
        finally:
            connection.close()

    def json(self, path, query=None, **rest):
        status, _, body = self.ask(path, query, **rest)
        return json.loads(body) if status == 200 else status

    def status(self, path, query=None, **rest):
        return self.ask(path, query, **rest)[0]

    def pages(self, path, query):
        """All pages to the end, as a puller asks for them."""
        pages, cursor = [], None
        while True:
            pages.append(self.json(path, {**query, **({"next_cursor": cursor} if cursor else {})}))
            cursor = pages[-1].get("next_cursor")
            if cursor in (None, "", "None"):
                return pages
