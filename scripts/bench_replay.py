"""What the replays of clouds for the benchmarks share: connections on loopback, whose every answer is there already.

A replay has a world with `reply(head, body)`, which gives a status and all of an answer after its date. It is ready when it has
printed its port, as a line on stdout, and ends with the process that started it.
"""

import asyncio
import os
import re
import socket
import time
from email.utils import formatdate

LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """One kept-alive connection; requests are answered one after the other."""

    def __init__(self, world, latency):
        self.world, self.latency, self.received = world, latency, b""

    def connection_made(self, transport):
        self.transport = transport
        # A page fits, so that a write is one system call.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)

    def data_received(self, data):
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head = self.received[:end]
            length = LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self.received) < whole:
                return
            body, self.received = self.received[end + 4:whole], self.received[whole:]
            found = self.world.reply(head, body)
            if self.latency:
                asyncio.get_running_loop().call_later(self.latency, self.send, found)
            else:
                self.send(found)

    def send(self, found):
        status, rest = found
        if not self.transport.is_closing():
            self.transport.write(f"HTTP/1.1 {status}\r\nDate: {date()}".encode() + rest)


dated = (0, "")


def date():
    global dated
    now = int(time.time())
    if dated[0] != now:
        dated = (now, formatdate(now, usegmt=True))
    return dated[1]


async def serve(world, latency_ms, parent):
    """Answers until the process `parent` is gone."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(world, latency_ms / 1000), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while os.getppid() == parent:
        await asyncio.sleep(1)
