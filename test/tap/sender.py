"""A sender over HTTP that is not nginx's or PostgREST's: reads one JSON request a line, writes one JSON response a line.

A request: {port, tls, method, path, headers, body (base64), chunked}; a response: {status, body} or {error}.
"""

import base64
import http.client
import json
import ssl
import sys

UNVERIFIED = ssl._create_unverified_context()  # the certificate is the test's own


def send(request):
    if request.get("tls"):
        connection = http.client.HTTPSConnection("127.0.0.1", request["port"], timeout=60, context=UNVERIFIED)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", request["port"], timeout=60)
    body = base64.b64decode(request.get("body", ""))
    chunked = request.get("chunked", False)
    try:
        pieces = (body[at:at + 1000] for at in range(0, len(body), 1000)) if chunked else body
        connection.request(request.get("method", "POST"), request["path"], pieces, request.get("headers", {}), encode_chunked=chunked)
        response = connection.getresponse()
        return {"status": response.status, "body": response.read().decode("utf-8", "replace")}
    except OSError as error:
        return {"error": str(error)}
    finally:
        connection.close()


for line in sys.stdin:
    print(json.dumps(send(json.loads(line))), flush=True)
