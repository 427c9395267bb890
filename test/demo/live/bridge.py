"""From NOTIFY wearables_samples to the browsers of the people whom it is about, by server-sent events.

usage: bridge.py SECRET REST; the connection that listens is that of the PG* variables, SECRET is that of the tokens, REST
the URL of PostgREST. Prints {"port": N}; ends upon SIGTERM.

Anybody who can connect to the database hears the notifications of everybody. So this is the place where each person
gets their own: a stream belongs to the user of a token that has been verified. What a notification does not hold, the
readings, a browser reads from PostgREST with the same token; its requests are passed on, as nginx would.
"""

import asyncio
import contextlib
import json
import pathlib
import socket
import sys
import time

import httpx
import jwt
import psycopg
import uvicorn
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

RECONNECT_SECONDS = 1
LONGEST_QUEUE = 100  # of one stream; a browser that reads too slowly is told to read all again
ANYTHING = json.dumps({"metrics": None, "from": None, "to": None})


class Streams:
    """The open streams, by user."""

    def __init__(self):
        self.queues = {}  # user_id -> set of asyncio.Queue

    @contextlib.contextmanager
    def open(self, user_id):
        queue = asyncio.Queue()
        self.queues.setdefault(user_id, set()).add(queue)
        try:
            yield queue
        finally:
            self.queues[user_id].discard(queue)
            if not self.queues[user_id]:
                del self.queues[user_id]

    def tell(self, user_id, text):
        for queue in self.queues.get(user_id, ()):
            if queue.qsize() >= LONGEST_QUEUE:
                while not queue.empty():
                    queue.get_nowait()
                text = ANYTHING
            queue.put_nowait(text)

    def tell_all(self, text):
        for user_id in list(self.queues):
            self.tell(user_id, text)


streams = Streams()


async def listen():
    """Whatever was sent while there was no connection is not sent again: all are told to read again."""
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(autocommit=True) as connection:
                await connection.execute("LISTEN wearables_samples")
                streams.tell_all(ANYTHING)
                async for notification in connection.notifies():
                    change = json.loads(notification.payload)
                    user_id = change.pop("user_id")
                    if user_id is None:
                        streams.tell_all(ANYTHING)
                    else:
                        streams.tell(user_id, json.dumps(change))
        except psycopg.OperationalError as error:
            print(f"bridge: {error}", file=sys.stderr)
        await asyncio.sleep(RECONNECT_SECONDS)


async def user_of(claims):
    async with await psycopg.AsyncConnection.connect(autocommit=True) as connection:
        cursor = await connection.execute(
            "SELECT user_id FROM wearables.users WHERE client_user_id = %s AND erased_at IS NULL", (claims["sub"],))
        found = await cursor.fetchone()
        return found and found[0]


async def events(request):
    """A browser cannot give an EventSource a header, so the token comes in a cookie."""
    try:
        claims = jwt.decode(request.cookies.get("token", ""), SECRET, algorithms=["HS256"],
                            options={"require": ["sub", "exp"]})
    except jwt.InvalidTokenError as error:
        return PlainTextResponse(f"{error}\n", 401)
    user_id = await user_of(claims)
    if user_id is None:
        return PlainTextResponse("no such user\n", 403)

    async def changes():
        with streams.open(user_id) as queue, contextlib.suppress(TimeoutError):
            # a token that has expired ends its stream
            async with asyncio.timeout(claims["exp"] - time.time()):
                while True:
                    yield {"event": "change", "data": await queue.get()}

    return EventSourceResponse(changes())


async def rest(request):
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{REST}{request.url.path}", params=request.query_params,
                                  headers={"authorization": request.headers.get("authorization", "")})
    return Response(answer.content, answer.status_code, media_type="application/json")


async def page(_):
    return FileResponse(pathlib.Path(__file__).with_name("live.html"))


@contextlib.asynccontextmanager
async def lifespan(_):
    task = asyncio.create_task(listen())
    yield
    task.cancel()


async def main():
    listening = socket.create_server(("127.0.0.1", 0))
    application = Starlette(lifespan=lifespan,
                            routes=[Route("/", page), Route("/events", events), Route("/rpc/{name}", rest)])
    server = uvicorn.Server(uvicorn.Config(application, log_level="warning", timeout_graceful_shutdown=1))
    print(json.dumps({"port": listening.getsockname()[1]}), flush=True)
    await server.serve(sockets=[listening])


SECRET, REST = sys.argv[1:]
asyncio.run(main())
