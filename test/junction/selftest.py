"""Goes through all that the server does and misdoes, with http.client; through nginx with curl where it is there.

Prints what it checked; ends with 1 after a failure. WEARABLES_NGINX names an nginx that is not in the path.
"""

import gzip
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from email.utils import parsedate_to_datetime
from urllib.parse import quote, urlencode

from client import HERE, KEY, TIMEOUT, Junction, Program

CLOCK = "2025-07-01T12:00:00+00:00"
USER = "alice-at-junction"
HEARTRATE = f"/v2/timeseries/{USER}/heartrate/grouped"
NIGHTS = f"/v2/summary/sleep/{USER}"
MAY = {"start_date": "2025-05-01", "end_date": "2025-05-31"}
passed, failed = [], []


def check(what, is_so, seen=None):
    (passed if is_so else failed).append(what)
    print(
        f"{'ok' if is_so else 'not ok'} - {what}" + ("" if is_so or seen is None else f": {str(seen)[:300]}"),
        flush=True,
    )


def same(what, seen, expected):
    check(what, seen == expected, f"{seen!r}, not {expected!r}")


def readings_of(pages):
    return [
        (slug, group["source"].get("type"), sample)
        for page in pages
        for slug, groups in page["groups"].items()
        for group in groups
        for sample in group["data"]
    ]


# -- the API as it should be


def paging(junction):
    junction.rule()
    whole = junction.pages(HEARTRATE, MAY)
    junction.control(page_size=7)
    pages = junction.pages(HEARTRATE, MAY)
    same("a page holds as many samples as it may", {len(readings_of([page])) for page in pages[:-1]}, {7})
    check("and there are many of them", len(pages) > 40, len(pages))
    order = lambda reading: json.dumps(reading, sort_keys=True)  # noqa: E731
    same(
        "small pages hold what large ones hold",
        sorted(map(order, readings_of(pages))),
        sorted(map(order, readings_of(whole))),
    )
    same("no reading stands on two of them", len(set(map(order, readings_of(pages)))), len(readings_of(pages)))
    same("the last one says so", (pages[-1]["next_cursor"], pages[-1]["next"]), (None, None))
    query = {**MAY, "cursor": pages[0]["next_cursor"]}
    same("the older name of the cursor works", junction.json(HEARTRATE, query), pages[1])
    same("the same request, the same bytes", junction.ask(HEARTRATE, query)[2], junction.ask(HEARTRATE, query)[2])
    same("a cursor of another request is refused", junction.status(HEARTRATE, {**query, "provider": "garmin"}), 422)
    same("a made-up cursor is refused", junction.status(HEARTRATE, {**MAY, "next_cursor": "bm9uc2Vuc2U"}), 422)
    same("and so is one that is not base64", junction.status(HEARTRATE, {**MAY, "next_cursor": "%%\u00e9"}), 422)
    junction.control(page_size=500)
    garmin = readings_of(junction.pages(HEARTRATE, {**MAY, "provider": "garmin"}))
    same("of one provider", garmin, [reading for reading in readings_of(whole) if reading[0] == "garmin"])
    same("a provider without readings", junction.json(HEARTRATE, {**MAY, "provider": "zwift"})["groups"], {})
    day = readings_of(junction.pages(HEARTRATE, {"start_date": "2025-05-10", "end_date": "2025-05-10"}))
    times = sorted(reading[2]["timestamp"] for reading in day)
    same(
        "a bare end date is the end of its day",
        (times[0], times[-1], len(times)),
        ("2025-05-10T00:00:00+00:00", "2025-05-10T23:00:00+00:00", 24),
    )
    hours = {"start_date": "2025-05-10T01:00:00Z", "end_date": "2025-05-10T05:00:00+02:00"}
    same("a date-time is an instant", len(readings_of(junction.pages(HEARTRATE, hours))), 3)


def resources(junction):
    junction.rule()
    sys.path[:0] = [str(HERE), str(HERE.parent / "convergence")]
    import catalog

    same("51 timeseries", len(catalog.SEGMENTS), 51)
    empty = [
        segment
        for segment in catalog.SEGMENTS
        if not readings_of(junction.pages(f"/v2/timeseries/{USER}/{quote(segment)}/grouped", MAY))
    ]
    same("each has readings", empty, [])
    for resource, summary in catalog.SUMMARIES.items():
        answer = junction.json(f"/v2/summary/{resource}/{USER}", MAY)
        if summary.list_key is None:
            check(f"{resource} is a bare object", isinstance(answer, dict) and "id" in answer, answer)
        else:
            check(
                f"{resource} answers under {summary.list_key}",
                isinstance(answer, dict) and bool(answer[summary.list_key]),
                answer,
            )
        status = junction.status(f"/v2/summary/{resource}/{USER}", {"start_date": "2025-05-01T00:00:00Z"})
        same(f"{resource}, asked by a date-time", status, 422 if summary.date_only else 200)
    nights = junction.json(f"/v2/summary/sleep_cycle/{USER}", {"start_date": "2025-05-10", "end_date": "2025-05-11"})[
        "sleep_cycle"
    ]
    same("of dates the end is inclusive", len(nights), 2)
    night = junction.json(NIGHTS, {"start_date": "2025-05-10", "end_date": "2025-05-10"})["sleep"][0]
    stream = junction.json(f"/v2/timeseries/sleep/{night['id']}/stream")
    check("a night has a stream", isinstance(stream, dict) and len(stream["heartrate"]) == 8, stream)
    workout = junction.json(f"/v2/summary/workouts/{USER}", MAY)["workouts"][0]
    stream = junction.json(f"/v2/timeseries/workouts/{workout['id']}/stream")
    check(
        "a workout has a stream of parallel arrays",
        isinstance(stream, dict) and len(stream["time"]) == len(stream["heartrate"]) == 270,
        stream,
    )


def people(junction):
    junction.rule()
    listed = junction.json(f"/v2/user/providers/{USER}")["providers"]
    states = {provider["slug"]: provider["status"] for provider in listed}
    check("a user's providers", states.get("oura") in ("connected", "error", "paused") and len(states) >= 6, states)
    pulls = junction.json("/v2/introspect/historical_pull", {"user_id": USER, "provider": "garmin"})
    pulled = pulls["data"][0]["provider"]["garmin"]["pulled"]["heartrate"]
    same("a backfill that is done", pulled["status"], "success")
    junction.control(
        pulls=[{"user_id": USER, "provider": "garmin", "resource": "heartrate", "is": {"status": "in_progress"}}]
    )
    pulls = junction.json("/v2/introspect/historical_pull", {"user_id": USER, "provider": "garmin"})
    same(
        "and one that is said to go on",
        pulls["data"][0]["provider"]["garmin"]["pulled"]["heartrate"]["status"],
        "in_progress",
    )
    junction.control(pulls=[])
    users, cursor = [], ""
    while cursor is not None:
        page = junction.json("/v2/introspect/historical_pull", {"user_limit": 3, "next_cursor": cursor})
        users, cursor = users + [entry["user_id"] for entry in page["data"]], page["next_cursor"]
    check("backfills of all users, page by page", USER in users and len(users) == len(set(users)) > 3, users)
    refreshed = [junction.status(f"/v2/user/refresh/{USER}", {"timeout": 10}, method="POST") for _ in range(9)]
    same("eight refreshes an hour", refreshed, [200] * 8 + [429])
    same("a user by the name of ours", junction.json("/v2/user/resolve/alice")["user_id"], USER)
    same("and by the vendor's", junction.json(f"/v2/user/{USER}")["client_user_id"], "alice")


def calls(junction):
    junction.rule()

    def post(path, body):
        status, _, answer = junction.ask(path, method="POST", body=body)
        return status, json.loads(answer)

    status, made = post("/v2/user", {"client_user_id": "zoe"})
    user = made["user_id"]
    same("a user is made", (status, made["client_user_id"]), (200, "zoe"))
    status, taken = post("/v2/user", {"client_user_id": "zoe"})
    same("and not twice", (status, taken["detail"]["user_id"]), (400, user))
    same("without a body none", post("/v2/user", {})[0], 422)
    link = post("/v2/link/token", {"user_id": user, "provider": "oura"})[1]
    check("a link holds its token", link["link_web_url"].endswith(link["link_token"]), link)
    path = "/_link?token=" + link["link_token"]
    same("whoever opens it connects", junction.at_control("GET", path)[1]["user_id"], user)
    same("once", junction.at_control("GET", path)[0], 404)
    same(
        "and has a connection", [p["slug"] for p in junction.json(f"/v2/user/providers/{user}")["providers"]], ["oura"]
    )
    check("with readings", len(readings_of([junction.json(HEARTRATE.replace(USER, user), MAY)])) > 0)
    ended = [junction.status(f"/v2/user/{user}/oura", method="DELETE") for _ in range(2)]
    same("a provider is deregistered", ended, [200, 404])
    pull = {"user_ids": [user, USER], "provider": "oura"}
    same("a pull is triggered", post("/v2/link/bulk_trigger_historical_pull", pull)[0], 202)
    ended = [junction.status(f"/v2/user/{user}", method="DELETE") for _ in range(2)]
    same("a user is deleted", ended, [200, 404])
    check("and made anew is another", post("/v2/user", {"client_user_id": "zoe"})[1]["user_id"] != user)


def refusals(junction):
    junction.rule()
    for what, expected, path, query, rest in (
        ("no key", 401, HEARTRATE, MAY, {"key": None}),
        ("a wrong key", 401, HEARTRATE, MAY, {"key": "sk_us_nobody"}),
        ("another team's key", 404, HEARTRATE, MAY, {"key": "sk_us_other"}),
        ("an unknown user", 404, "/v2/timeseries/nobody/heartrate/grouped", MAY, {}),
        ("an unknown resource", 404, f"/v2/timeseries/{USER}/aura/grouped", MAY, {}),
        ("an unknown summary", 404, f"/v2/summary/aura/{USER}", MAY, {}),
        ("an event's name for a REST name", 404, f"/v2/timeseries/{USER}/weight/grouped", MAY, {}),
        ("the path that is gone", 404, f"/v2/timeseries/{USER}/heartrate", MAY, {}),
        ("a stream of nothing", 404, "/v2/timeseries/workouts/none/stream", None, {}),
        ("no start", 422, HEARTRATE, {"end_date": "2025-05-31"}, {}),
        ("a start that is no date", 422, HEARTRATE, {"start_date": "last week"}, {}),
        ("a day that does not exist", 422, HEARTRATE, {"start_date": "2025-02-30"}, {}),
        ("an end before the start", 422, HEARTRATE, {"start_date": "2025-05-31", "end_date": "2025-05-01"}, {}),
        ("no number", 422, "/v2/introspect/historical_pull", {"user_limit": "many"}, {}),
        ("a refresh that takes too long", 422, f"/v2/user/refresh/{USER}", {"timeout": 61}, {"method": "POST"}),
        ("a wrong method", 405, HEARTRATE, MAY, {"method": "DELETE"}),
        ("providers by the wrong path", 405, f"/v2/user/{USER}/providers", None, {}),
    ):
        status, _, body = junction.ask(path, query, **rest)
        check(f"{what}: {expected}", status == expected and "detail" in json.loads(body), (status, body))


def manners(junction):
    """Headers, compression, the clock and keys."""
    junction.rule()
    status, headers, plain = junction.ask(HEARTRATE, MAY)
    same("the Date is the clock's", headers["Date"], "Tue, 01 Jul 2025 12:00:00 GMT")
    status, headers, packed = junction.ask(HEARTRATE, MAY, headers={"Accept-Encoding": "gzip"})
    same("gzip when asked", (status, headers["Content-Encoding"], gzip.decompress(packed)), (200, "gzip", plain))
    later = junction.json(NIGHTS, MAY)["sleep"]
    junction.control(clock="2025-05-15T12:00:00Z")
    earlier = junction.json(NIGHTS, MAY)["sleep"]
    check("what was not yet known is not answered", 0 < len(earlier) < len(later), (len(earlier), len(later)))
    junction.control(clock=CLOCK)
    junction.control(keys={"junction": ["sk_us_second", KEY]})
    same("a key is rotated", [junction.status(HEARTRATE, MAY, key=key) for key in (KEY, "sk_us_second")], [200, 200])
    junction.control(keys={"junction": ["sk_us_second"]})
    same(
        "and the old one withdrawn",
        [junction.status(HEARTRATE, MAY, key=key) for key in (KEY, "sk_us_second")],
        [401, 200],
    )
    junction.control(keys={"junction": [KEY]})
    junction.status(HEARTRATE, {**MAY, "key": KEY})
    told = json.dumps(junction.at_control("GET", "/_log"))
    check("no key stands in the log", KEY not in told and "(key)" in told, told)
    stats = junction.stats()
    same("but that one stood in a URL is counted", (stats["keys_in_urls"], stats["unauthorized"]), (1, 1))
    same("requests are counted by path", stats["paths"][HEARTRATE], 7)
    same(
        "what nobody could follow is refused",
        [
            junction.control(**wrong)[0]
            for wrong in (
                {"rules": [{"do": "dance"}]},
                {"rules": [{"do": "hang", "form": "x"}]},
                {"rules": [{"do": "drop", "match": "("}]},
                {"speed": 1},
                {"page_size": 0},
                {"clock": "noon"},
                {"keys": {"nobody": []}},
            )
        ],
        [400] * 7,
    )
    events = junction.at_control("GET", "/_events?endpoint=junction")[1]
    check(
        "the world as webhooks",
        len(events) > 1000 and {event["endpoint"] for event in events} == {"junction"},
        len(events),
    )


def connections(junction):
    junction.rule()
    connection = http.client.HTTPConnection("127.0.0.1", junction.port, timeout=TIMEOUT)
    for _ in range(5):
        connection.request("GET", HEARTRATE, headers={"X-Vital-API-Key": KEY})
        connection.getresponse().read()
    connection.close()
    stats = junction.stats()
    same("five requests on one connection", (stats["requests"], stats["connections"]), (5, 1))
    junction.control(latency=0.3, reset=True)
    threads = [threading.Thread(target=junction.ask, args=(HEARTRATE, MAY)) for _ in range(16)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took, stats = time.monotonic() - begun, junction.stats()
    junction.control(latency=0)
    check("sixteen wait at once", took < 3 and stats["peak_requests"] > 8, (took, stats))


# -- the API as it should not be


def which(junction):
    """Which requests a rule hits."""

    def statuses(count, path=HEARTRATE):
        return "".join("x" if junction.status(path, MAY) == 503 else "." for _ in range(count))

    junction.rule("status", match="heartrate", every=3)
    same("every third", statuses(9), "..x..x..x")
    same("and nothing of another resource", statuses(3, NIGHTS), "...")
    junction.rule("status", after=2, times=3)
    same("some, after some", statuses(8), "..xxx...")
    drawn = []
    for seed in (1, 1, 2):
        junction.control(rules=[{"do": "status", "chance": 0.5}], seed=seed)
        drawn.append(statuses(40))
    check(
        "by chance, which a seed gives again", drawn[0] == drawn[1] != drawn[2] and 8 < drawn[0].count("x") < 32, drawn
    )


def statuses(junction):
    now = parsedate_to_datetime("Tue, 01 Jul 2025 12:00:00 GMT").timestamp()
    for form, name, value in (
        ("seconds", "Retry-After", "3"),
        ("date", "Retry-After", "Tue, 01 Jul 2025 12:00:03 GMT"),
        ("ms", "retry-after-ms", "2500"),
        ("reset", "X-RateLimit-Reset", str(int(now) + 3)),
    ):
        junction.rule("throttle", form=form, retry_after=2.5)
        status, headers, body = junction.ask(HEARTRATE, MAY)
        same(f"throttled, {form}", (status, headers[name], "detail" in json.loads(body)), (429, value, True))
    for status in (503, 500, 408, 409, 401, 403, 404, 422, 204):
        junction.rule("status", status=status)
        same(f"status {status}", junction.status(HEARTRATE, MAY), status)
    junction.rule("status", status=503, retry_after=9)
    same("503 that says when", junction.ask(HEARTRATE, MAY)[1]["Retry-After"], "9")
    junction.rule("status", status=401, after=4)
    same("401 after half", [junction.status(HEARTRATE, MAY) for _ in range(6)], [200] * 4 + [401] * 2)
    junction.rule("redirect", status=307)
    status, headers, _ = junction.ask(HEARTRATE, MAY)
    check("a redirect to another host", status == 307 and headers["Location"].startswith("http://localhost:"), headers)
    connection = http.client.HTTPConnection(headers["Location"].split("/")[2], timeout=TIMEOUT)
    connection.request("GET", "/" + headers["Location"].split("/", 3)[3], headers={"X-Vital-API-Key": KEY})
    connection.getresponse().read()
    connection.close()
    stats = junction.stats()
    same("who follows it is seen", (stats["trapped"], stats["trapped_with_key"]), (1, 1))


def times(junction):
    junction.rule("delay", seconds=0.5)
    begun = time.monotonic()
    same("delayed", junction.status(HEARTRATE, MAY), 200)
    check("for as long", time.monotonic() - begun >= 0.5)
    junction.rule("hang")
    begun = time.monotonic()
    same("hangs until the client leaves", junction.ask(HEARTRATE, MAY, timeout=0.5)[2], b"TimeoutError")
    check(
        "and notices when it does",
        settles(lambda: junction.stats()["busy"] == 0 and junction.stats()["clients_left"] == 1),
        junction.stats(),
    )
    junction.rule("trickle", bytes=100, seconds=0.05)
    short = {"start_date": "2025-05-10", "end_date": "2025-05-10"}
    begun = time.monotonic()
    status, _, body = junction.ask(HEARTRATE, short)
    check(
        "a trickle arrives in the end",
        status == 200 and json.loads(body) and time.monotonic() - begun >= (len(body) // 100) * 0.05,
        (status, len(body), time.monotonic() - begun),
    )


def settles(is_so):
    give_up = time.monotonic() + 5
    while not is_so():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.02)
    return True


def cuts(junction):
    for reset, names in ((False, (b"RemoteDisconnected",)), (True, (b"ConnectionResetError",))):
        junction.rule("drop", reset=reset)
        check(
            f"dropped{' by a reset' if reset else ''}",
            junction.ask(HEARTRATE, MAY)[2] in names,
            junction.ask(HEARTRATE, MAY),
        )
    for chunked in (False, True):
        junction.rule("cut", chunked=chunked)
        same(f"cut in the middle{' of a chunk' if chunked else ''}", junction.ask(HEARTRATE, MAY)[2], b"IncompleteRead")


def bodies(junction):
    junction.rule()
    whole, nights = junction.json(HEARTRATE, MAY), junction.json(NIGHTS, MAY)
    for form in ("cut", "empty", "garbage", "html", "not utf-8", "two", "deep"):
        junction.rule("json", form=form)
        status, headers, body = junction.ask(HEARTRATE, MAY)
        check(
            f"no JSON: {form}",
            status == 200 and int(headers["Content-Length"]) == len(body) and not is_json(body),
            body,
        )
    junction.rule("json", form="nan")
    check("no JSON: nan", b"NaN" in junction.ask(HEARTRATE, MAY)[2])
    for form in ("groups", "data", "source", "samples", "cursor", "list", "null", "text"):
        for path, right in ((HEARTRATE, whole), (NIGHTS, nights)):
            junction.rule("types", form=form)
            answer = junction.ask(path, MAY)
            check(
                f"wrong types: {form} {path.split('/')[2]}",
                answer[0] == 200 and is_json(answer[2]) and json.loads(answer[2]) != right,
                answer,
            )
    junction.rule("cursor", form="repeat")
    cursors = [
        junction.json(HEARTRATE, {**MAY, "next_cursor": cursor})["next_cursor"] for cursor in ("", whole["next_cursor"])
    ]
    same("a cursor for ever", cursors, [whole["next_cursor"]] * 2)
    junction.rule("cursor", form="repeat")
    short = {"start_date": "2025-05-10", "end_date": "2025-05-10"}
    cursor = junction.json(HEARTRATE, short)["next_cursor"]
    same("also of what has one page", junction.json(HEARTRATE, {**short, "next_cursor": cursor})["next_cursor"], cursor)
    for form, expected in (("null", None), ("absent", "absent"), ("empty", ""), ("None", "None")):
        junction.rule("cursor", form=form)
        pages = [junction.json(HEARTRATE, MAY)]
        pages.append(junction.json(HEARTRATE, {**MAY, "next_cursor": pages[0]["next_cursor"]}))
        same(f"the last page says so: {form}", pages[1].get("next_cursor", "absent"), expected)
        check("and the one before does not", pages[0] == whole)
    junction.rule("cursor", form="long")
    same("a cursor of a megabyte", len(junction.json(HEARTRATE, MAY)["next_cursor"]), 1 << 20)


def is_json(body):
    try:
        json.loads(body)
        return True
    except (ValueError, RecursionError):
        return False


def packed(junction):
    junction.rule("gzip", form="cut")
    _, headers, body = junction.ask(HEARTRATE, MAY)
    unpacker = zlib.decompressobj(31)
    unpacker.decompress(body)
    check("gzip that is cut", headers["Content-Encoding"] == "gzip" and not unpacker.eof)
    for form in ("plain", "damaged"):
        junction.rule("gzip", form=form)
        _, headers, body = junction.ask(HEARTRATE, MAY)
        try:
            gzip.decompress(body)
            check(f"gzip that is {form}", False)
        except (OSError, zlib.error, EOFError):
            check(f"gzip that is {form}", headers["Content-Encoding"] == "gzip")
    size = 64 << 20
    junction.rule("gzip", form="bomb", bytes=size)
    body = junction.ask(HEARTRATE, MAY)[2]
    grown = gzip.decompress(body)
    check(
        "a gzip bomb is gzip, and JSON",
        len(body) < size / 500 and size * 0.9 < len(grown) <= size and is_json(grown),
        (len(body), len(grown)),
    )
    junction.rule("endless", bytes=100_000_000, chunked=False)
    same("100 MB, with their length", taken(junction, 1 << 40), (100_000_000, True))
    junction.rule("endless", bytes=50_000_000)
    same("50 MB in chunks", taken(junction, 1 << 40), (50_000_000, True))
    junction.rule("endless")
    same("without end", taken(junction, 200_000_000), (200_000_000, False))
    check("the server stops when the client does", settles(lambda: junction.stats()["busy"] == 0), junction.stats())


def taken(junction, most):
    """How many bytes of a body came, and whether it ended; no more than `most` are taken."""
    connection = http.client.HTTPConnection("127.0.0.1", junction.port, timeout=TIMEOUT)
    connection.request("GET", HEARTRATE, headers={"X-Vital-API-Key": KEY})
    response, count = connection.getresponse(), 0
    while count < most:
        piece = response.read(min(1 << 20, most - count))
        if not piece:
            break
        count += len(piece)
    connection.close()
    return count, count < most


def restarts(junction):
    junction.rule()
    junction.control(page_size=50)
    first = junction.json(HEARTRATE, MAY)
    second = junction.json(HEARTRATE, {**MAY, "next_cursor": first["next_cursor"]})
    junction.rule("exit")
    check(
        "it exits in the middle of a request",
        junction.status(HEARTRATE, MAY) == 0 and junction.process.wait(TIMEOUT) == 1,
    )
    junction.again()
    junction.control(page_size=50)
    same(
        "and a cursor of before works after it came back",
        junction.json(HEARTRATE, {**MAY, "next_cursor": first["next_cursor"]}),
        second,
    )


def through_nginx(junction, folder):
    nginx = os.environ.get("WEARABLES_NGINX") or "nginx"
    if not (shutil.which(nginx) or shutil.which(nginx, path="/usr/sbin:/sbin")):
        print("# there is no nginx: TLS is not tested")
        return
    front = Program(HERE / "front.py", "--upstream", junction.port, "--folder", folder, "--nginx", nginx)
    try:
        with_python(front)
        if shutil.which("curl"):
            with_curl(junction, front)
        else:
            print("# there is no curl: HTTP/2 is not tested")
    finally:
        front.end()
    check("nginx ends when it is told to", front.process.returncode == 0, front.process.returncode)


def with_python(front):
    trusted = ssl.create_default_context(cafile=front.told["authority"])
    connection = http.client.HTTPSConnection("127.0.0.1", front.port, timeout=TIMEOUT, context=trusted)
    connection.request("GET", f"{HEARTRATE}?{urlencode(MAY)}", headers={"X-Vital-API-Key": KEY})
    same("TLS, trusting its authority", connection.getresponse().status, 200)
    connection.close()
    try:
        http.client.HTTPSConnection("127.0.0.1", front.port, timeout=TIMEOUT).request("GET", HEARTRATE)
        check("and nobody else's", False)
    except ssl.SSLCertVerificationError:
        check("and nobody else's", True)


def with_curl(junction, front):
    def curl(*arguments):
        url = f"https://127.0.0.1:{front.port}{HEARTRATE}?{urlencode(MAY)}"
        ran = subprocess.run(
            [
                "curl",
                "-sS",
                "--max-time",
                "10",
                "--cacert",
                front.told["authority"],
                "-H",
                f"X-Vital-API-Key: {KEY}",
                "-o",
                "-",
                "-w",
                "\n%{http_code} %{http_version}",
                *arguments,
                url,
            ],
            capture_output=True,
            check=False,
        )
        body, _, told = ran.stdout.rpartition(b"\n")
        return ran.returncode, told.decode(), body

    junction.rule()
    body = junction.ask(HEARTRATE, MAY)[2]
    same("HTTP/2", curl("--http2"), (0, "200 2", body))
    same("HTTP/1.1", curl("--http1.1"), (0, "200 1.1", body))
    same("gzip through nginx", curl("--compressed"), (0, "200 2", body))
    check("nginx says the server's Date", b"Tue, 01 Jul 2025 12:00:00 GMT" in curl("-D", "-")[2])
    stats = junction.stats()
    check(
        "the client's protocol and connection are counted",
        stats["protocols"].get("HTTP/2.0") == 3 and stats["front_connections"] == 4,
        stats,
    )
    # rule, then curl's exit status by HTTP/2 and by HTTP/1.1, and the status that was answered; 56 is what newer ones say for 52
    for rule, two, one, answered in (
        ({"do": "drop"}, 92, 52, "000"),
        ({"do": "cut"}, 92, 18, "200"),
        ({"do": "cut", "chunked": True}, 92, 18, "200"),
        ({"do": "hang"}, 28, 28, "000"),
        ({"do": "throttle"}, 0, 0, "429"),
        ({"do": "gzip", "form": "damaged"}, 0, 0, "200"),
    ):
        junction.rule(**rule)
        limit = ["--max-time", "1"] if rule["do"] == "hang" else []
        seen = [curl(way, *limit) for way in ("--http2", "--http1.1")]
        same(
            f"through nginx: {rule}",
            [(52 if status == 56 else status, told.split()[0]) for status, told, _ in seen],
            [(two, answered), (one, answered)],
        )
    check("nginx leaves when its client does", settles(lambda: junction.stats()["busy"] == 0), junction.stats())
    junction.rule("endless")
    status, _, taken_body = curl("--max-filesize", "30000000", "--limit-rate", "1G")
    check("endless through nginx", status in (63, 28) and len(taken_body) >= 10_000_000, (status, len(taken_body)))
    check("and it stops there", settles(lambda: junction.stats()["busy"] == 0), junction.stats())


def main():
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        junction = Junction("--clock", CLOCK, "--days", "31", "--density", "24", "--people", "1")
        try:
            for part in (
                paging,
                resources,
                people,
                calls,
                refusals,
                manners,
                connections,
                which,
                statuses,
                times,
                cuts,
                bodies,
                packed,
                restarts,
            ):
                part(junction)
            through_nginx(junction, folder)
        finally:
            junction.end(signal.SIGKILL)
    print(f"{len(passed)} passed, {len(failed)} failed in {time.monotonic() - begun:.1f} s")
    raise SystemExit(bool(failed))


main()
