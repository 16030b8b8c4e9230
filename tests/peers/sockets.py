"""WebSocket peers on the package `websockets`: an echo server, and a client that prints everything that it sees.

    sockets.py server FILE | sockets.py client HOST:PORT
"""

import asyncio
import hashlib
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

LONG = 3 << 20


async def echo(socket):
    async for message in socket:
        if message == "close":
            await socket.close(4001, "as asked")
        elif message == "abort":
            socket.transport.abort()
        elif message == "pieces":
            await socket.send(iter(["a", "", "bc", "d" * 70_000]))
        else:
            await socket.send(message)


async def server():
    async with serve(echo, "127.0.0.1", 0, max_size=None) as listening:
        print(listening.sockets[0].getsockname()[1], file=sys.stderr, flush=True)
        await listening.serve_forever()


def shown(message):
    raw = message.encode() if isinstance(message, str) else message
    return type(message).__name__, len(raw), hashlib.sha256(raw).hexdigest()[:16]


async def client(address):
    messages = ["", "text ä", b"", bytes(range(256)), "x" * 125, "x" * 126, b"y" * 65_535, b"y" * 65_536, b"z" * LONG, "pieces"]
    for compression in [None, "deflate"]:
        async with connect(f"ws://{address}/a?b", compression=compression, max_size=None) as socket:
            print(compression, socket.response.status_code, socket.response.headers.get("Sec-WebSocket-Extensions"))
            for message in messages:
                await socket.send(message)
                print(shown(await socket.recv()))
            # All at once, while the answers come.
            burst = [b"%d" % number * (number * 50) for number in range(200)]
            receiving = asyncio.create_task(receive(socket, len(burst)))
            for message in burst:
                await socket.send(message)
            print(await receiving == [shown(message) for message in burst])
            await (await socket.ping(b"ping"))
            print("pong")
        for last in ["close", "abort"]:
            socket = await connect(f"ws://{address}/", compression=compression)
            await socket.send(last)
            try:
                await socket.recv()
            except ConnectionClosed as closed:
                print(last, closed.rcvd)


async def receive(socket, count):
    return [shown(await socket.recv()) for _ in range(count)]


if sys.argv[1] == "server":
    asyncio.run(server())
else:
    asyncio.run(client(sys.argv[2]))
