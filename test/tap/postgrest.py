"""A stand-in for PostgREST 12: what it does for a call of a function with one unnamed parameter, as a real one was seen to,
and of a function with named ones, for a caller with a token.

Without arguments it sends PostgREST's statements alone: reads one JSON request a line, writes one JSON response a
line. A request: {method, path, headers, body (base64), content_type, role, function, schema}; in a response: {status,
reason, headers, body, sqlstate, message}, and with "lsn": true, {insert_lsn, flush_lsn}: the end of the log just before
COMMIT, and what was flushed right after it. {"connect": CONNINFO} begins a new session, {"sql": TEXT} runs a statement
of the operator's in it.

With the path of a postgrest.conf it is an HTTP server in front of these statements: routes by its schema cache, parses
JSON before the database does, verifies tokens (HS256), obeys Prefer, reloads upon NOTIFY pgrst. One request at a time.
Of what may stand in a URL it knows arguments, "select" of columns, "order", "limit", and filters with one operator.
"""

import base64
import hashlib
import hmac
import http.server
import json
import re
import sys
import time
import urllib.parse

from psycopg import pq

UNKNOWN = 705
BYTEA = 17
TEXT, BINARY = pq.Format.TEXT, pq.Format.BINARY

SETTINGS = ["search_path", "role", "request.jwt.claims", "request.method", "request.path", "request.headers",
            "request.cookies"]
CALL = """WITH pgrst_source AS (SELECT pgrst_call.pgrst_scalar FROM (SELECT "{schema}"."{function}"({argument}) pgrst_scalar) pgrst_call) \
SELECT null::bigint AS total_result_set, 1 AS page_total, coalesce(json_agg(_postgrest_t.pgrst_scalar)->0, 'null') AS body, \
nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, \
'' AS response_inserted FROM (SELECT "{function}".* FROM "pgrst_source" AS "{function}"   ) _postgrest_t"""

# of a function with named parameters: its arguments come in one object, as text
NAMED_CALL = """WITH pgrst_source AS (SELECT {result} FROM (SELECT $1::json AS json_data) pgrst_payload, \
LATERAL (SELECT {names} FROM json_to_record(pgrst_payload.json_data) AS _({columns}) LIMIT 1) pgrst_body, \
LATERAL "{schema}"."{function}"({arguments}) {alias}) SELECT null::bigint AS total_result_set, \
pg_catalog.count(_postgrest_t) AS page_total, {body} AS body, \
nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, \
'' AS response_inserted FROM (SELECT {selected} FROM "pgrst_source" AS "{function}" {where} {order} {limit}) _postgrest_t"""
BARE_CALL = 'WITH pgrst_source AS (SELECT {result} FROM "{schema}"."{function}"() {alias})'

OPERATORS = {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "like": "LIKE", "ilike": "ILIKE",
             "match": "~", "is": "IS"}

# media type -> the argument, its type and its format
DOORS = {
    "application/json": ("$1::json", UNKNOWN, TEXT),
    "text/plain": ("$1::text", UNKNOWN, TEXT),
    "application/octet-stream": ("$1", BYTEA, BINARY),
}
PARAMETER = {"application/json": "json", "text/plain": "text", "application/octet-stream": "bytea"}


class Refused(Exception):
    def __init__(self, result):
        self.sqlstate = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
        self.message = (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode()
        self.details = (result.error_field(pq.DiagnosticField.MESSAGE_DETAIL) or b"").decode() or None
        self.hint = (result.error_field(pq.DiagnosticField.MESSAGE_HINT) or b"").decode() or None


class Session:
    def __init__(self, conninfo, prepare=True):
        self.connection = pq.PGconn.connect(conninfo.encode())
        if self.connection.status != pq.ConnStatus.OK:
            raise SystemExit(self.connection.error_message.decode())
        self.prepare = prepare
        self.names = {}
        self.simple(b"SET client_encoding = 'UTF8'; SET client_min_messages TO WARNING")

    def simple(self, text):
        return self.checked(self.connection.exec_(text))

    def prepared(self, text, values=(), types=(), formats=()):
        if not self.prepare:
            return self.checked(self.connection.exec_params(text, values, types, formats, BINARY))
        if text not in self.names:
            name = str(len(self.names)).encode()
            self.checked(self.connection.prepare(name, text, types))
            self.names[text] = name
        return self.checked(self.connection.exec_prepared(self.names[text], values, formats, BINARY))

    def rows(self, text):
        result = self.simple(text.encode())
        return [[(result.get_value(row, column) or b"").decode() for column in range(result.nfields)]
                for row in range(result.ntuples)]

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
    # settings of the impersonated role stand between the path and the role; their names are parameters, too
    own = [text for setting in request.get("role_settings", []) for text in setting]
    claims = request.get("claims", {"role": role})
    values = [f'"{schema}", "public"', *own, role, json.dumps(claims), request.get("method", "POST"),
              request.get("path", "/rpc/webhook"), json.dumps(request.get("headers", {})), "{}"]
    places = iter(range(1, len(values) + 1))
    calls = [f"set_config('search_path', ${next(places)}, true)"]
    calls += [f"set_config(${next(places)}, ${next(places)}, true)" for _ in range(len(own) // 2)]
    calls += [f"set_config('{name}', ${next(places)}, true)" for name in SETTINGS[1:]]
    session.prepared(("select " + ", ".join(calls)).encode(), [v.encode() for v in values], [UNKNOWN] * len(values),
                     [TEXT] * len(values))
    if "call" in request:
        text, values = request["call"]
        return session.prepared(text.encode(), [v.encode() for v in values], [UNKNOWN] * len(values), [TEXT] * len(values))
    argument, oid, fmt = DOORS[request.get("content_type", "application/json")]
    call = CALL.format(schema=schema, function=request.get("function", "webhook"), argument=argument)
    return session.prepared(call.encode(), [base64.b64decode(request["body"])], [oid], [fmt])


def answer(session, request):
    try:
        row = statements(session, request)
        response = {"insert_lsn": position(session, b"pg_current_wal_insert_lsn()")} if request.get("lsn") else {}
        session.prepared(b"ROLLBACK" if request.get("rollback") else b"COMMIT")
        if request.get("lsn"):
            response["flush_lsn"] = position(session, b"pg_current_wal_flush_lsn()")
    except Refused as refused:
        session.prepared(b"ABORT")
        return {"status": http_status(refused.sqlstate, request.get("role", "web_anon") == "web_anon"),
                "sqlstate": refused.sqlstate, "message": refused.message, "details": refused.details,
                "hint": refused.hint}
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


# Aeson, the parser in front of the database. Python's own takes what it refuses (lone surrogates, a BOM, NaN), and gives up
# where a body is nested deeply.

BLANK = re.compile(rb"[ \t\n\r]*")
SCALAR = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null")
OF_STRING = re.compile(rb'["\\\x00-\x1f]')
ESCAPE = re.compile(rb'\\(?:["\\/bfnrt]|u([0-9a-fA-F]{4}))')


class NotJson(Exception):
    pass


def string_end(text, at):
    """Of the string that begins behind `at`: the place behind its closing quote."""
    high = False
    while True:
        found = OF_STRING.search(text, at)
        if not found or found.group() < b" ":
            raise NotJson
        if high and (found.start() != at or found.group() != b"\\"):
            raise NotJson
        if found.group() == b'"':
            return found.end()
        escape = ESCAPE.match(text, found.start())
        if not escape:
            raise NotJson
        unit = int(escape.group(1) or b"0", 16)
        if high != (0xDC00 <= unit <= 0xDFFF):
            raise NotJson
        high = 0xD800 <= unit <= 0xDBFF
        at = escape.end()


def parse(text):
    """The body as payloadAttributes sees it: ("object", keys), ("array", [keys of each element, None: no object]) or ("scalar",)."""
    try:
        text.decode()
    except UnicodeDecodeError:
        raise NotJson from None
    at = 0
    stack = []  # the closing bracket of each open one
    top = None
    wanted = "value"
    while True:
        at = BLANK.match(text, at).end()
        byte = text[at:at + 1]
        if wanted == "end":
            if byte:
                raise NotJson
            return top
        if wanted in ("key", "key or close") and byte == b'"':
            end = string_end(text, at + 1)
            key = json.loads(text[at:end])
            if len(stack) == 1 and top[0] == "object":
                top[1].add(key)
            elif len(stack) == 2 and top[0] == "array":
                top[1][-1].add(key)
            at = BLANK.match(text, end).end()
            if text[at:at + 1] != b":":
                raise NotJson
            at, wanted = at + 1, "value"
            continue
        closes = stack and byte == stack[-1] and wanted in ("key or close", "value or close", "comma or close")
        if closes:
            stack.pop()
            at += 1
        elif wanted == "comma or close":
            if byte != b",":
                raise NotJson
            at, wanted = at + 1, "key" if stack[-1] == b"}" else "value"
            continue
        elif wanted in ("value", "value or close"):
            if top is None:
                top = {b"{": ("object", set()), b"[": ("array", [])}.get(byte, ("scalar",))
            elif len(stack) == 1 and top[0] == "array":
                top[1].append(set() if byte == b"{" else None)
            if byte in (b"{", b"["):
                stack.append(b"}" if byte == b"{" else b"]")
                at, wanted = at + 1, "key or close" if byte == b"{" else "value or close"
                continue
            if byte == b'"':
                at = string_end(text, at + 1)
            else:
                scalar = SCALAR.match(text, at)
                if not scalar:
                    raise NotJson
                at = scalar.end()
        else:
            raise NotJson
        wanted = "comma or close" if stack else "end"


def payload(body):
    """What is sent to the database; NotJson with a reason is 400."""
    if not body:
        return body  # the empty text stands for an empty object until the database casts it
    try:
        shape = parse(body)
    except NotJson:
        raise NotJson("Empty or invalid json") from None
    if shape[0] == "scalar":
        return b"[]"  # nobody asks why
    if shape[0] == "array" and any(keys is None or keys != shape[1][0] for keys in shape[1]):
        raise NotJson("All object keys must match")
    return body


# The server

def read_conf(path):
    conf = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            found = re.match(r'\s*([a-z-]+)\s*=\s*(?:"([^"]*)"|([^\s#]+))', line)
            if found:
                conf[found.group(1)] = found.group(2) if found.group(2) is not None else found.group(3)
    return conf


class Server(http.server.HTTPServer):
    def __init__(self, conf):
        self.conf = conf
        self.schemas = [schema.strip() for schema in conf["db-schemas"].split(",")]
        self.role = conf["db-anon-role"]
        self.session = Session(conf["db-uri"], conf.get("db-prepared-statements", "true") != "false")
        self.listener = Session(conf["db-uri"])
        self.listener.simple(b"LISTEN pgrst")
        self.load()
        super().__init__((conf.get("server-host", "!4").replace("!4", "0.0.0.0"), int(conf.get("server-port", "3000"))), Request)

    def load(self):
        schemas = ", ".join("'" + schema.replace("'", "''") + "'" for schema in self.schemas)
        self.functions = {tuple(row) for row in self.listener.rows(f"""
            SELECT n.nspname, p.proname, p.proargtypes[0]::regtype FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
            WHERE n.nspname IN ({schemas}) AND p.pronargs = 1 AND p.prokind = 'f' AND p.proargnames IS NULL""")}
        self.named = [Function(row[0], row[1], dict(zip(row[2].split("|"), row[3].split("|"))) if row[2] else {},
                               int(row[4]), row[5] == "t", row[6] == "t")
                      for row in self.listener.rows(f"""
            SELECT n.nspname, p.proname, array_to_string(p.proargnames[1:p.pronargs], '|'),
                   (SELECT string_agg(t::regtype::text, '|' ORDER BY i) FROM unnest(p.proargtypes) WITH ORDINALITY a (t, i)),
                   p.pronargs - p.pronargdefaults, p.proretset,
                   p.prorettype = 'record'::regtype OR EXISTS (SELECT FROM pg_type t WHERE t.oid = p.prorettype AND t.typtype = 'c')
            FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
            WHERE n.nspname IN ({schemas}) AND p.prokind = 'f' AND (p.pronargs = 0 OR p.proargnames IS NOT NULL)""")]
        self.role_settings = self.listener.rows(f"""
            SELECT split_part(s.line, '=', 1), substr(s.line, strpos(s.line, '=') + 1)
            FROM pg_db_role_setting d JOIN pg_roles r ON r.oid = d.setrole, unnest(d.setconfig) s (line)
            WHERE r.rolname = '{self.role}' AND d.setdatabase = 0""")

    def hear(self):
        """A real one hears it a moment later; here what was committed before a request counts for it."""
        self.listener.simple(b"SELECT")
        heard = False
        while self.listener.connection.notifies():
            heard = True
        if heard:
            self.load()


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


class Refusal(Exception):
    """A token that is none: 401."""


def read_token(text, secret):
    """The claims of a JWT whose signature is right."""
    def decoded(part):
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    try:
        head, body, signature = text.split(".")
        if json.loads(decoded(head)).get("alg") != "HS256":
            raise Refusal("JWSError (CompactDecodeError Invalid algorithm)")
        made = hmac.new(secret.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
        if not hmac.compare_digest(made, decoded(signature)):
            raise Refusal("JWSError JWSInvalidSignature")
        claims = json.loads(decoded(body))
    except (ValueError, AttributeError):
        raise Refusal("JWSError (CompactDecodeError Invalid number of parts)") from None
    if not isinstance(claims, dict) or claims.get("exp", time.time()) < time.time() - 30:
        raise Refusal("JWT expired")
    return claims


class Function:
    """One with named parameters, as the schema cache knows it."""

    def __init__(self, schema, name, parameters, required, returns_set, columns):
        self.schema, self.name, self.parameters, self.required = schema, name, parameters, required
        self.returns_set, self.columns = returns_set, columns

    def fits(self, names):
        return set(names) <= set(self.parameters) and set(list(self.parameters)[:self.required]) <= set(names)

    def statement(self, arguments, query):
        """What is sent for these arguments and what stands in the URL beside them."""
        values = [json.dumps(arguments)] if arguments else []
        known = {"schema": self.schema, "function": self.name, "selected": f'"{self.name}".*',
                 "result": "pgrst_call.*" if self.columns else "pgrst_call.pgrst_scalar", "where": "", "order": "",
                 "limit": "", "alias": "pgrst_call" if self.columns else "pgrst_call(pgrst_scalar)",
                 "body": "coalesce(json_agg(_postgrest_t), '[]')" if self.returns_set
                         else "coalesce(json_agg(_postgrest_t.pgrst_scalar)->0, 'null')"}
        known["names"] = ", ".join(quoted(name) for name in arguments)
        known["columns"] = ", ".join(f"{quoted(name)} {self.parameters[name]}" for name in arguments)
        known["arguments"] = ", ".join(f"{quoted(name)} := pgrst_body.{quoted(name)}" for name in arguments)
        conditions = []
        for name, wanted in query:
            if name == "select" and "(" in wanted:
                raise Failed(400, "PGRST200", "Could not find a relationship in the schema cache")
            if name == "select":
                known["selected"] = ", ".join(self.column(part) for part in wanted.split(",")) if wanted != "*" else known["selected"]
            elif name == "order":
                known["order"] = "ORDER BY " + ", ".join(self.column(part.split(".")[0]) + (" DESC" if part.endswith(".desc") else "")
                                                         for part in wanted.split(","))
            elif name == "limit":
                known["limit"] = f"LIMIT {int(wanted)}"
            else:
                operator, _, value = wanted.partition(".")
                if operator not in OPERATORS:
                    raise Failed(400, "PGRST100", "failed to parse filter")
                values.append(value)
                conditions.append(f"{self.column(name)} {OPERATORS[operator]} " + ("NULL" if operator == "is" else f"${len(values)}"))
                if operator == "is":
                    values.pop()
        known["where"] = "WHERE " + " AND ".join(conditions) if conditions else ""
        text = NAMED_CALL if arguments else BARE_CALL + NAMED_CALL[NAMED_CALL.index(" SELECT null::bigint"):]
        return text.format(**known), values

    def column(self, text):
        """A column, with a cast or a path into it if there is one."""
        found = re.fullmatch(r"(\w+)((?:->>?\w+)*)(?:::(\w+))?", text)
        if not found:
            raise Failed(400, "PGRST100", "failed to parse select parameter")
        name, path, cast = found.groups()
        made = f'"{self.name}".{quoted(name)}' + re.sub(r"(->>?)(\w+)", r"\1'\2'", path)
        return f"CAST({made} AS {quoted(cast)})" if cast else made


class Failed(Exception):
    def __init__(self, status, code, message):
        self.status = status
        self.body = {"code": code, "message": message, "details": None, "hint": None}


class Request(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass  # its default log shows none of what is refused here, either

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def serve(self):
        body = self.body()
        self.server.hear()
        try:
            response = self.call(body)
            status, text = response["status"], response.get("body")
            if "sqlstate" in response:
                text = {"code": response["sqlstate"], "message": response["message"], "details": response["details"],
                        "hint": response["hint"]}
        except Failed as failed:
            status, text = failed.status, failed.body
        sent = json.dumps(text).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(sent)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    def call(self, body):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
        claims = self.claims()
        if self.command not in ("GET", "HEAD", "POST"):
            raise Failed(405, "PGRST117", f"Unsupported HTTP method: {self.command}")
        accepted = [kind.split(";")[0].strip() for kind in self.headers.get("Accept", "*/*").split(",")]
        if not {"*/*", "application/*", "application/json"} & set(accepted):
            raise Failed(406, "PGRST107", "None of these media types are available")
        profile = self.headers.get("Content-Profile" if self.command == "POST" else "Accept-Profile", self.server.schemas[0])
        if profile not in self.server.schemas:
            raise Failed(406, "PGRST106", "The schema must be one of the following: " + ", ".join(self.server.schemas))
        kind = self.headers.get("Content-Type", "application/json").split(";")[0].strip().lower()
        if kind not in DOORS:
            raise Failed(400, "PGRST102", f"Content-Type not acceptable: {kind}")
        path = re.fullmatch(r"/rpc/([^/]+)", url.path)
        if not path:
            raise Failed(404, "PGRST125", "Invalid path specified in request URL")
        function = urllib.parse.unquote(path.group(1))
        named = [found for found in self.server.named if (found.schema, found.name) == (profile, function)]
        if named:
            return self.call_named(named, profile, claims, body, urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        if kind == "application/json" and "columns" not in query:
            try:
                body = payload(body)
            except NotJson as why:
                raise Failed(400, "PGRST102", str(why)) from None
        if (profile, function, PARAMETER[kind]) not in self.server.functions:
            raise Failed(404, "PGRST202", f"Could not find the function {profile}.{function} in the schema cache")
        if set(query) - {"columns", "select"}:
            raise Failed(400, "PGRST100", "failed to parse filter")
        headers = {name.lower(): value for name, value in self.headers.items() if name.lower() != "cookie"}
        return answer(self.server.session, {
            "method": self.command, "path": url.path, "headers": headers, "body": base64.b64encode(body), "content_type": kind,
            "role": self.server.role, "role_settings": self.server.role_settings, "schema": profile, "function": function,
            "rollback": self.rolls_back()})

    def claims(self):
        token = self.headers.get("Authorization", "")
        secret = self.server.conf.get("jwt-secret")
        if not token.lower().startswith("bearer "):
            return {"role": self.server.role}
        if not secret:
            raise Failed(500, "PGRST300", "Server lacks JWT secret")
        try:
            return {"role": self.server.role} | read_token(token[7:].strip(), secret)
        except Refusal as refusal:
            raise Failed(401, "PGRST301", str(refusal)) from None

    def call_named(self, functions, profile, claims, body, query):
        """In a GET the parameters of a function stand in the URL, in a POST in the body."""
        parameters = {name for function in functions for name in function.parameters}
        if self.command == "POST":
            try:
                arguments = json.loads(payload(body) or b"{}")
            except (NotJson, ValueError) as why:
                raise Failed(400, "PGRST102", str(why)) from None
            arguments = arguments if isinstance(arguments, dict) else {}
        else:
            arguments = {name: value for name, value in query if name in parameters}
            query = [(name, value) for name, value in query if name not in parameters]
        fitting = [function for function in functions if function.fits(arguments)]
        if len(fitting) != 1:
            raise Failed(404, "PGRST202", f"Could not find the function {profile}.{functions[0].name} with these parameters")
        headers = {name.lower(): value for name, value in self.headers.items() if name.lower() != "cookie"}
        return answer(self.server.session, {
            "method": self.command, "path": f"/rpc/{fitting[0].name}", "headers": headers, "claims": claims,
            "role": claims["role"], "schema": profile, "call": fitting[0].statement(arguments, query),
            "rollback": self.rolls_back()})

    def rolls_back(self):
        ending = self.server.conf.get("db-tx-end", "commit")
        wishes = [wish.strip() for wish in ",".join(self.headers.get_all("Prefer", [])).split(",")]
        if ending.endswith("-allow-override") and ("tx=commit" in wishes or "tx=rollback" in wishes):
            return "tx=rollback" in wishes
        return ending.startswith("rollback")


def drive():
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
    if len(sys.argv) > 1:
        Server(read_conf(sys.argv[1])).serve_forever()
    else:
        drive()
