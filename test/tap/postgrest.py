"""What PostgREST does for a call of a function with one unnamed parameter, statement by statement.

Reads one JSON request a line, writes one JSON response a line. A request: {method, path, headers, body
(base64), content_type, role, function, schema}; in a response: {status, reason, headers, body, sqlstate, message},
and with "lsn": true, {insert_lsn, flush_lsn}: the end of the log just before COMMIT, and what was flushed right
after it. {"connect": CONNINFO} begins a new session, {"sql": TEXT} runs a statement of the operator's in it.
"""

import base64
import json
import sys

from psycopg import pq

UNKNOWN = 705
BYTEA = 17
TEXT, BINARY = pq.Format.TEXT, pq.Format.BINARY

SETTINGS = ["search_path", "role", "request.jwt.claims", "request.method", "request.path", "request.headers",
            "request.cookies"]
SET_CONFIG = b"select " + b", ".join(b"set_config('%s', $%d, true)" % (name.encode(), i + 1)
                                     for i, name in enumerate(SETTINGS))
CALL = """WITH pgrst_source AS (SELECT pgrst_call.pgrst_scalar FROM (SELECT "{schema}"."{function}"({argument}) pgrst_scalar) pgrst_call) \
SELECT null::bigint AS total_result_set, 1 AS page_total, coalesce(json_agg(_postgrest_t.pgrst_scalar)->0, 'null') AS body, \
nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, \
'' AS response_inserted FROM (SELECT "{function}".* FROM "pgrst_source" AS "{function}"   ) _postgrest_t"""

# media type -> the argument, its type and its format
DOORS = {
    "application/json": ("$1::json", UNKNOWN, TEXT),
    "text/plain": ("$1::text", UNKNOWN, TEXT),
    "application/octet-stream": ("$1", BYTEA, BINARY),
}


class Refused(Exception):
    def __init__(self, result):
        self.sqlstate = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
        self.message = (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode()


class Session:
    def __init__(self, conninfo):
        self.connection = pq.PGconn.connect(conninfo.encode())
        if self.connection.status != pq.ConnStatus.OK:
            raise SystemExit(self.connection.error_message.decode())
        self.names = {}
        self.simple(b"SET client_encoding = 'UTF8'; SET client_min_messages TO WARNING")

    def simple(self, text):
        return self.checked(self.connection.exec_(text))

    def prepared(self, text, values=(), types=(), formats=()):
        if text not in self.names:
            name = str(len(self.names)).encode()
            self.checked(self.connection.prepare(name, text, types))
            self.names[text] = name
        return self.checked(self.connection.exec_prepared(self.names[text], values, formats, BINARY))

    @staticmethod
    def checked(result):
        if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            raise Refused(result)
        return result


def http_status(sqlstate, anonymous):
    """mapSQLtoHTTP of Error.hs, as far as it goes here."""
    if sqlstate.startswith("PT") and sqlstate[2:].isdigit():
        return int(sqlstate[2:])
    exact = {"25006": 405, "42501": 401 if anonymous else 403, "42883": 404, "42P01": 404, "23503": 409, "23505": 409,
             "21000": 500, "57P01": 503, "P0001": 400}
    if sqlstate in exact:
        return exact[sqlstate]
    classes = {"08": 503, "09": 500, "0L": 403, "0P": 403, "28": 403, "2D": 500, "38": 500, "39": 500, "3B": 500,
               "40": 500, "53": 503, "54": 500, "55": 500, "57": 500, "58": 500, "F0": 500, "HV": 500, "XX": 500}
    return classes.get(sqlstate[:2], 400)


def statements(session, request):
    read_only = request.get("method", "POST") in ("GET", "HEAD")
    session.prepared(b"BEGIN ISOLATION LEVEL READ COMMITTED READ " + (b"ONLY" if read_only else b"WRITE"))
    schema = request.get("schema", "wearables_api")
    role = request.get("role", "web_anon")
    values = [f'"{schema}", "public"', role, json.dumps({"role": role}), request.get("method", "POST"),
              request.get("path", "/rpc/webhook"), json.dumps(request.get("headers", {})), "{}"]
    session.prepared(SET_CONFIG, [v.encode() for v in values], [UNKNOWN] * len(values), [TEXT] * len(values))
    argument, oid, fmt = DOORS[request.get("content_type", "application/json")]
    call = CALL.format(schema=schema, function=request.get("function", "webhook"), argument=argument)
    return session.prepared(call.encode(), [base64.b64decode(request["body"])], [oid], [fmt])


def answer(session, request):
    try:
        row = statements(session, request)
        response = {"insert_lsn": position(session, b"pg_current_wal_insert_lsn()")} if request.get("lsn") else {}
        session.prepared(b"COMMIT")
        if request.get("lsn"):
            response["flush_lsn"] = position(session, b"pg_current_wal_flush_lsn()")
    except Refused as refused:
        session.prepared(b"ABORT")
        return {"status": http_status(refused.sqlstate, request.get("role", "web_anon") == "web_anon"),
                "sqlstate": refused.sqlstate, "message": refused.message}
    body, headers, status = (row.get_value(0, column) for column in (2, 3, 4))
    return response | {"status": int(status) if status else 200, "headers": json.loads(headers or b"[]"),
                       "body": json.loads(body)}


def position(session, function):
    return int(session.simple(b"SELECT " + function + b" - '0/0'::pg_lsn").get_value(0, 0))


def operate(session, text):
    try:
        result = session.simple(text.encode())
    except Refused as refused:
        return {"sqlstate": refused.sqlstate, "message": refused.message}
    return {"value": result.get_value(0, 0).decode() if result.ntuples and result.get_value(0, 0) else None}


def main():
    session = None
    for line in sys.stdin:
        request = json.loads(line)
        if "connect" in request:
            session = Session(request["connect"])
            response = {"connected": True}
        elif "sql" in request:
            response = operate(session, request["sql"])
        else:
            response = answer(session, request)
        print(json.dumps(response), flush=True)


if __name__ == "__main__":
    main()
