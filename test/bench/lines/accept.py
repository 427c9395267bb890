"""receive() and its commit: against a bare INSERT of the same bytes into a table with one unique index."""
import base64
import hashlib
import hmac
import json
import multiprocessing
import statistics
import time

import harness
import world

SIZES = [("2 kB", 2_000, 300, 250), ("200 kB", 200_000, 60, 40)]  # name, bytes, requests a block: alone, of each of eight
PAIRS_ALONE, PAIRS_TOGETHER, CLIENTS = 15, 7, 8
KEY = base64.b64decode(world.SECRET.removeprefix("whsec_"))

SETUP = """
DROP TABLE IF EXISTS bench.bare;
CREATE TABLE bench.bare (message_id text COLLATE "C" PRIMARY KEY, payload bytea COMPRESSION lz4 NOT NULL)
"""
STATEMENTS = {
    b"ours": b"SELECT (wearables.receive($1::jsonb, $2::bytea, 'bench')).status",
    b"bare": b"INSERT INTO bench.bare (message_id, payload) VALUES ($1::text, $2::bytea)",
    b"none": b"SELECT $1::text, length($2::bytea)",
}
SAME = """
SELECT count(*), count(*) FILTER (WHERE e.payload = b.payload), (SELECT count(*) FROM bench.bare),
       (SELECT count(*) FROM wearables.deliveries), (SELECT count(*) FROM wearables.jobs)
FROM wearables.webhook_events e JOIN bench.bare b USING (message_id)
"""


def body_of(size):
    """A heart rate event of about so many bytes, no two values alike in a row."""
    one = len(world.heartrate_samples(2)) // 2
    return world.heartrate_body(1, world.heartrate_samples((size - 250) // one))


def signed(batch, first, count, body):
    """Messages as (id, headers, body), signed by Python's own hmac before anything is timed."""
    now = str(int(time.time()))
    messages = []
    for i in range(first, first + count):
        message_id = f"{batch}-{i}"
        mac = hmac.new(KEY, f"{message_id}.{now}.".encode() + body, hashlib.sha256).digest()
        headers = {"svix-id": message_id, "svix-timestamp": now, "svix-signature": "v1," + base64.b64encode(mac).decode(),
                   "content-type": "application/json", "user-agent": "Svix-Webhooks/1.62.0"}
        messages.append((message_id.encode(), json.dumps(headers).encode(), body))
    return messages


class Client:
    """One session on libpq's own level, statements prepared: the client is as thin as Python can be."""

    def __init__(self, pinned=False):
        self.connection = harness.pinned_session() if pinned else harness.connect()
        self.libpq = self.connection.pgconn
        for name, text in STATEMENTS.items():
            self.libpq.prepare(name, text)

    def send(self, side, messages):
        """Seconds of each request, from the call to the answer after its commit."""
        seconds = []
        for message_id, headers, body in messages:
            parameters = [headers if side == b"ours" else message_id, body]
            start = time.perf_counter()
            result = self.libpq.exec_prepared(side, parameters, [0, 1])
            seconds.append(time.perf_counter() - start)
            if result.error_message:
                raise AssertionError(result.error_message.decode())
            if side == b"ours" and result.get_value(0, 0) != b"accepted":
                raise AssertionError(f"receive() said {result.get_value(0, 0)}")
        return seconds


def run():
    admin = harness.connect()
    for name, size, alone, together in SIZES:
        body = body_of(size)
        reset(admin)
        one_client(name, body, harness.scaled(alone, 20))
        check_same(admin)
        reset(admin)
        eight_clients(name, body, harness.scaled(together, 10))
        check_same(admin)
    reset(admin)
    admin.close()


def reset(admin):
    admin.execute(SETUP)
    world.clear(admin)


def check_same(admin):
    counts = admin.execute(SAME).fetchone()
    harness.check(len(set(counts)) == 1 and counts[0] > 0, f"messages stored, equal, bare, deliveries, jobs: {counts}")


def one_client(name, body, requests):
    client = Client(pinned=True)
    pairs = harness.scaled(PAIRS_ALONE, 5)
    turn = {b"ours": 0, b"bare": 0, b"none": 0}

    def side(which):
        def block():
            turn[which] += 1
            messages = signed(f"{turn[which]}", 0, requests, body)
            return statistics.median(client.send(which, messages))
        return block

    ours, bare, none = harness.interleave(pairs, side(b"ours"), side(b"bare"), side(b"none"))
    harness.report(
        f"accept, {name}, one client: latency of receive() with its commit", "a bare INSERT of the same bytes, same commit",
        harness.ratios(ours, bare),
        f"{harness.ms(ours)}, bare {harness.ms(bare)}, of both {harness.ms(none)} is the client's and the protocol's; "
        f"{pairs} pairs of {requests} requests, medians", target=1.5, at_most=True)
    client.connection.close()


def serve(pipe, number, body):
    """A client process: told (side, turn, requests) it signs, says it is ready, and sends when told to."""
    client = Client()
    while (order := pipe.recv()) is not None:
        side, turn, requests = order
        messages = signed(f"{number}-{turn}", 0, requests, body)
        pipe.send("ready")
        pipe.recv()
        try:
            start = time.monotonic()
            client.send(side, messages)
            pipe.send((start, time.monotonic()))
        except Exception as error:  # the parent stops the run
            pipe.send(str(error))
    client.connection.close()


def eight_clients(name, body, requests):
    harness.unpin()
    pipes, processes = [], []
    for number in range(CLIENTS):
        pipe, other_end = multiprocessing.Pipe()
        processes.append(multiprocessing.Process(target=serve, args=(other_end, number, body), daemon=True))
        processes[-1].start()
        pipes.append(pipe)
    turn = {b"ours": 0, b"bare": 0, b"none": 0}

    def side(which):
        def block():
            turn[which] += 1
            return storm(pipes, (which, turn[which], requests))
        return block

    pairs = harness.scaled(PAIRS_TOGETHER, 3)
    ours, bare, none = harness.interleave(pairs, side(b"ours"), side(b"bare"), side(b"none"))
    for pipe, process in zip(pipes, processes):
        pipe.send(None)
        process.join()
    total = requests * CLIENTS
    harness.report(
        f"accept, {name}, {CLIENTS} clients: rate of receive() with its commit", "bare INSERTs of the same bytes, same commit",
        harness.ratios(bare, ours),
        f"{harness.rate(total, ours)}, bare {harness.rate(total, bare)}, clients and protocol alone {harness.rate(total, none)}; "
        f"{pairs} pairs of {total:,} requests", target=0.5)


def storm(pipes, order):
    """Seconds from the first start to the last end; all begin at once."""
    for pipe in pipes:
        pipe.send(order)
    for pipe in pipes:
        pipe.recv()
    for pipe in pipes:
        pipe.send("go")
    spans = [pipe.recv() for pipe in pipes]
    for span in spans:
        harness.check(not isinstance(span, str), f"a client failed: {span}")
    return max(end for _, end in spans) - min(start for start, _ in spans)
