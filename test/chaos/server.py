"""A throwaway server that may be killed at any moment, and is brought back."""

import os
import signal
import subprocess
import time
from pathlib import Path

import psycopg

import arena

DATABASE = "chaos"
SETTINGS = """
{conf}
listen_addresses = ''
unix_socket_directories = '{socket}'
port = 5432
max_connections = 50
max_worker_processes = 16
shared_buffers = 32MB
restart_after_crash = on
# processes are killed, not the machine; and nobody flushes the log but who must
fsync = off
synchronous_commit = off
wal_writer_delay = 10s
wal_level = logical
# each piece of it is made anew: on a full disk it cannot be
max_wal_size = 16MB
min_wal_size = 2MB
wal_recycle = off
checkpoint_timeout = 30s
autovacuum_naptime = 2s
log_statement = none
log_checkpoints = off
log_min_error_statement = panic
wearables_ingest.databases = '{database}'
wearables_ingest.workers = 2
wearables_ingest.naptime = 1
wearables_ingest.lease = 1s
wearables_ingest.retry_base = 1
wearables_ingest.max_attempts = 30
"""


class Gone(Exception):
    """The server does not come back, or the folder was taken away: whoever ran this has ended."""


class Server:
    def __init__(self, options):
        self.bindir, self.data, self.small = Path(options.bindir), Path(options.data), options.small and Path(options.small)
        self.socket, self.log_name = Path(f"{options.data}.sock"), Path(f"{options.data}.log")
        self.conf = options.conf
        self.process = None
        self.stopped = set()  # processes that SIGSTOP holds

    def make(self):
        self.socket.mkdir()
        wal = ["-X", str(self.small / "wal" / "pg_wal")] if self.small else []
        subprocess.run([self.bindir / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
                        "--wal-segsize=1", *wal], check=True, stdout=subprocess.DEVNULL)
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(SETTINGS.format(conf=self.conf, socket=self.socket, database=DATABASE))
        os.environ.update(PGHOST=str(self.socket), PGPORT="5432", PGUSER="postgres", PGCONNECT_TIMEOUT="5")

    def must_be_there(self):
        if not self.data.is_dir():
            raise Gone("the folder of the server is gone")

    def start(self):
        self.must_be_there()
        with open(self.log_name, "ab") as log:
            self.process = subprocess.Popen([self.bindir / "postgres", "-D", self.data], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)

    def is_up(self):
        try:
            psycopg.connect(dbname=DATABASE, autocommit=True).close()
            return True
        except psycopg.OperationalError as error:
            return "does not exist" in str(error)

    def back(self):
        """Waits until it answers; starts it when it is not there. Where it cannot come up, somebody makes room on the disk."""
        begun = time.monotonic()
        self.go_on()
        while not self.is_up():
            if self.process is None or self.process.poll() is not None:
                self.start()
            if time.monotonic() - begun > 3:
                self.make_room()
            if time.monotonic() - begun > 90:
                raise Gone("the server does not come back")
            time.sleep(0.05)

    def kill(self):
        """The postmaster alone: its children see it, and end by themselves."""
        self.process.kill()
        self.process.wait()

    def stop(self, how):
        """SIGINT: fast; SIGQUIT: immediate."""
        self.go_on()
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()

    def signal(self, pid, number):
        """False where that process has ended meanwhile."""
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        if number == signal.SIGSTOP:
            self.stopped.add(pid)
        return True

    def go_on(self):
        while self.stopped:
            self.signal(self.stopped.pop(), signal.SIGCONT)

    # -- the small disks, "wal" and "data"

    def fill(self, disk, leave):
        """Nothing but `leave` bytes are free afterwards."""
        with open(self.small / disk / "ballast", "wb") as file:
            for _ in range(5):  # somebody may be faster, then nothing is taken
                space = os.statvfs(self.small / disk)
                try:
                    os.posix_fallocate(file.fileno(), 0, max(space.f_bavail * space.f_frsize - leave, 1))
                    return
                except OSError:
                    pass

    def make_room(self):
        for disk in ("wal", "data") if self.small else ():
            (self.small / disk / "ballast").unlink(missing_ok=True)

    # -- its log

    def log(self):
        return self.log_name.read_text(encoding="utf-8", errors="replace")

    def crashes(self):
        return self.log().count("automatic recovery in progress")


class Admin(arena.Session):
    """The operator's session: the statement is run again until the server is back. What it runs may be run twice."""

    def __init__(self, server, database=DATABASE):
        super().__init__(database)
        self.server = server

    def run(self, sql, parameters=None):
        for _ in range(20):
            self.server.back()
            try:
                return super().run(sql, parameters)
            except (arena.Broken, psycopg.Error):
                time.sleep(0.1)  # the disk is full, or it has just gone
        raise Gone(f"the operator gets no answer to: {sql}")
