"""An ASGI application for hypercorn: what was asked, long bodies, and events that wait for their acknowledgement.

    hypercorn asgi:app
"""

import asyncio
import hashlib

acknowledged = asyncio.Queue(100)


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break

    async def start(kind):
        headers = [(b"content-type", kind), (b"x-method", scope["method"].encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    path = scope["path"]
    if path == "/events":
        await start(b"text/event-stream")
        for number in range(5):
            event = b"id: %d\ndata: \xc3\xa4 %d\n\n" % (number, number)
            await send({"type": "http.response.body", "body": event, "more_body": True})
            # The next one leaves when the client has this one: whatever holds events back stops everything.
            assert await acknowledged.get() == number
        await send({"type": "http.response.body", "body": b""})
        return
    if path.startswith("/acknowledge/"):
        await acknowledged.put(int(path.rsplit("/", 1)[1]))
        answer = b"ok"
    elif path == "/long":
        answer = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(20_000))
    else:
        digest = hashlib.sha256(body).hexdigest()
        answer = f"HTTP/{scope['http_version']} {scope['scheme']} {len(body)} {digest}\n".encode()
    await start(b"application/octet-stream")
    await send({"type": "http.response.body", "body": answer})
