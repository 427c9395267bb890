"""Starts what the live demo is made of beside the database, and ends all of it with itself.

usage: live.py USER EXTERNAL_ID WEBHOOK_SECRET SECONDS; the database is that of PGHOST, PGPORT and PGDATABASE, set up by
setup.sql. Prints {"url": ..., "other": ...}: the page with a token of the user, and with one of bob. Ends after so many
seconds, upon SIGTERM, or when one of its programs ends.
"""

import base64
import json
import os
import pathlib
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time

import jwt

HERE = pathlib.Path(__file__).parent
START_SECONDS = 30
TOKEN_SECONDS = 3600


def free_port():
    """PostgREST's stand-in prints no port, so one that is free is chosen for it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def wait_for(port, program):
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and program.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("live.py: the stand-in for PostgREST does not start")


def main():
    user, external_id, webhook_secret, seconds = sys.argv[1:]
    secret = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    programs = []

    def start(*command, role=None, **options):
        environment = os.environ | ({"PGUSER": role} if role else {})
        programs.append(subprocess.Popen([sys.executable, "-B", *map(str, command)], env=environment, **options))
        return programs[-1]

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory() as folder:
        try:
            rest_port = free_port()
            conf = pathlib.Path(folder, "postgrest.conf")
            conf.touch(0o600)
            conf.write_text("\n".join([
                f'db-uri = "host={os.environ["PGHOST"]} port={os.environ["PGPORT"]} dbname={os.environ["PGDATABASE"]} user=authenticator"',
                'db-schemas = "wearables_api"', 'db-anon-role = "web_anon"', 'server-host = "127.0.0.1"',
                f"server-port = {rest_port}", f'jwt-secret = "{secret}"']))
            rest = f"http://127.0.0.1:{rest_port}"
            wait_for(rest_port, start(HERE.parent.parent / "tap" / "postgrest.py", conf))
            bridge = start(HERE / "bridge.py", secret, rest, role="bridge", stdout=subprocess.PIPE, text=True)
            port = json.loads(bridge.stdout.readline())["port"]
            start(HERE / "watch.py", webhook_secret, rest, user, external_id, seconds)
            tokens = [jwt.encode({"role": "app_user", "sub": who, "exp": int(time.time()) + TOKEN_SECONDS}, secret, "HS256")
                      for who in (user, "bob")]
            url, other = (f"http://127.0.0.1:{port}/#{token}" for token in tokens)
            print(json.dumps({"url": url, "other": other}), flush=True)
            while all(program.poll() is None for program in programs):
                time.sleep(0.2)
        finally:
            for program in programs:
                program.terminate()
            for program in programs:
                program.wait(10)


main()
