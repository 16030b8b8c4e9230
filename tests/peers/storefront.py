"""An ASGI application for a browser: a page with a style, a script and a picture, forms, an event stream and a WebSocket.

    hypercorn storefront:app
"""

import asyncio
import hashlib
import json

# Or the browser asks for one.
ICON = '<link rel="icon" href="data:,">'
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>The shop</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css?v=1"><script src="/app.js" defer></script></head><body><h1>The shop: ä</h1>
<img src="/picture.svg" alt="A square"><form method="post" action="/order?from=page"><input name="name" value="Ann &amp; ä">
<textarea name="words">one
two</textarea><input type="checkbox" name="gift" value="1" checked><button>Order</button></form></body></html>"""
PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><rect width="40" height="30" fill="teal"/></svg>'
FILES = {
    "/": ("text/html; charset=utf-8", PAGE),
    "/style.css": ("text/css", "h1 { color: rgb(1, 2, 3) }"),
    "/app.js": ("text/javascript", "window.began = document.querySelectorAll('form').length"),
    "/picture.svg": ("image/svg+xml", PICTURE),
}
EVENTS = 5

acknowledged = asyncio.Queue(100)


def said(body):
    return {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}


async def socket(receive, send):
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        if message.get("text") == "close":
            await send({"type": "websocket.close", "code": 4001, "reason": "as asked"})
            return
        echo = {key: message[key] for key in ("text", "bytes") if message.get(key) is not None}
        await send({"type": "websocket.send", **echo})


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["type"] == "websocket":
        return await socket(receive, send)
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break

    async def start(kind, status=200, more=()):
        headers = [(b"content-type", kind.encode()), *more]
        await send({"type": "http.response.start", "status": status, "headers": headers})

    async def answer(kind, content, status=200, more=()):
        await start(kind, status, [(b"content-length", b"%d" % len(content)), *more])
        await send({"type": "http.response.body", "body": content})

    path, query = scope["path"], scope["query_string"].decode()
    if path in FILES:
        kind, content = FILES[path]
        await answer(kind, content.encode())
    elif path == "/order":
        place = f"/ordered?{len(body)}-{hashlib.sha256(body).hexdigest()[:16]}".encode()
        await answer("text/plain", b"", 303, [(b"location", place), (b"set-cookie", b"seen=yes; Path=/")])
    elif path == "/ordered":
        cookie = dict(scope["headers"]).get(b"cookie", b"").decode()
        await answer("text/html; charset=utf-8", f"<title>Ordered</title>{ICON}<p>{query} {cookie}</p>".encode())
    elif path == "/upload":
        kind = dict(scope["headers"])[b"content-type"].decode().split(";")[0]
        await answer("application/json", json.dumps({"kind": kind, **said(body)}).encode())
    elif path == "/long":
        await start("application/octet-stream")
        for number in range(40):
            piece = hashlib.sha256(b"%d" % number).digest() * 500
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    elif path == "/events":
        await start("text/event-stream")
        for number in range(EVENTS):
            event = b"id: %d\nevent: tick\ndata: \xc3\xa4 %d\n\n" % (number, number)
            await send({"type": "http.response.body", "body": event, "more_body": True})
            # The next one leaves when the page has this one: whatever holds events back stops everything.
            assert await acknowledged.get() == number
        await send({"type": "http.response.body", "body": b""})
    elif path.startswith("/acknowledge/"):
        await acknowledged.put(int(path.rsplit("/", 1)[1]))
        await answer("text/plain", b"ok")
    else:
        await answer("text/plain", b"nothing here", 404)
