"""A vendor that answers each request with a page, a while after it came; or never. Prints its port.

Made beforehand and sent as they are, so that it costs next to nothing beside what is measured. A page is that of the path's user and of the
cursor, which counts from 0.
"""
import argparse
import asyncio
import re
import time
from email.utils import formatdate

import world

REQUEST = re.compile(rb"GET /v2/timeseries/external-(\d+)/heartrate/grouped\?(?:[^ ]*&)?(?:next_cursor=(\d+))?[^ ]* HTTP/1.1\r\n")


class Pages:
    def __init__(self, options):
        self.options = options
        self.made = {}

    def page(self, number):
        """The readings of the page's own seconds."""
        if number not in self.made:
            count = self.options.samples
            cursor = f'"{number + 1}"' if number + 1 < self.options.pages else "null"
            samples = world.heartrate_samples(count, number * count)
            body = (f'{{"groups":{{"apple_health_kit":[{{"source":{{"provider":"apple_health_kit","type":"watch"}},"data":{samples}}}]}},'
                    f'"next":{cursor},"next_cursor":{cursor}}}').encode()
            head = f"Date: {formatdate(time.time(), usegmt=True)}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            self.made[number] = b"HTTP/1.1 200 OK\r\n" + head.encode() + body
        return self.made[number]

    async def serve(self, reader, writer):
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                asked = REQUEST.match(request)
                if asked is None:
                    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                    continue
                await asyncio.sleep(self.options.hang or self.options.latency)
                writer.write(self.page(int(asked.group(2) or 0)))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, default=1, help="of each user")
    parser.add_argument("--samples", type=int, default=10, help="in a page")
    parser.add_argument("--latency", type=float, default=0, help="seconds from the request to the answer")
    parser.add_argument("--hang", type=float, default=0, help="the same, for longer than anybody waits")
    pages = Pages(parser.parse_args())
    for number in range(pages.options.pages):
        pages.page(number)
    server = await asyncio.start_server(pages.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
