"""Sends every message of the demo twice, in shuffled order, as PostgREST would hand them over.

usage: deliver.py SECRET SEED; the connection is that of the PG* variables. Signs by itself, with the
standard library alone, so that a mistake of the extension cannot hide behind its own signer.
"""

import base64
import hashlib
import hmac
import json
import random
import sys
import time
from collections import Counter

import psycopg

from messages import all_messages, is_late

UNKNOWN, TEXT = 705, 0  # PostgREST sends every value as type unknown, in text format

SETTINGS = """select set_config('search_path', $1, true), set_config('role', $2, true),
  set_config('request.jwt.claims', $3, true), set_config('request.method', $4, true), set_config('request.path', $5, true),
  set_config('request.headers', $6, true), set_config('request.cookies', $7, true)"""

CALL = """WITH pgrst_source AS (SELECT pgrst_call.pgrst_scalar FROM (SELECT "wearables_api"."webhook"($1::{}) pgrst_scalar) pgrst_call)
  SELECT null::bigint AS total_result_set, 1 AS page_total, coalesce(json_agg(_postgrest_t.pgrst_scalar)->0, 'null') AS body,
    nullif(current_setting('response.headers', true), '') AS response_headers,
    nullif(current_setting('response.status', true), '') AS response_status, '' AS response_inserted
  FROM (SELECT "webhook".* FROM "pgrst_source" AS "webhook") _postgrest_t"""

FORGER = "whsec_" + base64.b64encode(b"nobody gave me this key!").decode()


def sign(secret, message_id, timestamp, body):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def headers_of(message, secret):
    timestamp = str(int(time.time()))  # of the attempt: another one each time, the id stays
    return {"svix-id": message.message_id, "svix-timestamp": timestamp,
            "svix-signature": sign(FORGER if message.forged else secret, message.message_id, timestamp, message.body),
            "content-type": message.content_type, "user-agent": "Svix-Webhooks/1.66.0"}


def run(connection, sql, *values):
    result = connection.exec_params(sql.encode(), list(values), [UNKNOWN] * len(values), [TEXT] * len(values), TEXT)
    if result.status not in (psycopg.pq.ExecStatus.COMMAND_OK, psycopg.pq.ExecStatus.TUPLES_OK):
        sys.exit(result.error_message.decode())
    return result


def deliver(connection, message, secret):
    """One HTTP request. Returns status and answer."""
    headers = headers_of(message, secret)
    run(connection, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
    run(connection, SETTINGS, b'"wearables_api", "public"', b"web_anon", b'{"role":"web_anon"}', b"POST", b"/rpc/webhook",
        json.dumps(headers).encode(), b"{}")
    argument = "json" if message.content_type == "application/json" else "text"
    result = run(connection, CALL.format(argument), message.body)
    status, answer = int(result.get_value(0, 4)), json.loads(result.get_value(0, 2))
    run(connection, "COMMIT")
    return status, answer


def main():
    secret, seed = sys.argv[1], int(sys.argv[2])
    messages = all_messages() * 2
    random.Random(seed).shuffle(messages)
    messages.sort(key=is_late)  # the rest stays as it was shuffled
    tally = Counter()
    with psycopg.connect() as connection:
        for message in messages:
            status, answer = deliver(connection.pgconn, message, secret)
            tally[status, answer["status"], answer.get("reason", "")] += 1
    for (status, what, why), count in sorted(tally.items()):
        print(f"  HTTP {status}  {what:<10} {count:>4}  {why}")


main()
