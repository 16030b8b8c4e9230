"""A small shop in two versions, with what no two answers of a real service have in common: instants, ids, orders of sets.

Usage: shop.py old|new; the port is printed on standard error. The new version calls `price` `price_eur`, lacks the header
X-Frame-Options, and fails where somebody searches for `rare`."""

import datetime
import json
import random
import sys
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

IS_NEW = sys.argv[1] == "new"


def item(number):
    tags = ["red", "small", "new", "sale", "heavy"]
    random.shuffle(tags)
    price = "price_eur" if IS_NEW else "price"
    return {
        "id": number,
        "name": f"item {number}",
        price: number + 0.25,
        "updated_at": datetime.datetime.now(datetime.timezone.utc).isoformat(),
        "request": str(uuid.uuid4()),
        "tags": tags,
        "stock": {"count": number % 7, "places": [{"id": place, "free": place * number} for place in range(3)]},
    }


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path.startswith("/items/"):
            return self.answer(200, "application/json", json.dumps(item(int(url.path.rsplit("/", 1)[1]))))
        if url.path == "/page":
            return self.answer(200, "text/html", f"<html><body><h1>Shop</h1><p>{url.query}</p></body></html>")
        word = parse_qs(url.query).get("q", [""])[0]
        if IS_NEW and word == "rare":
            return self.answer(500, "text/plain", "no such index\n")
        self.answer(200, "text/plain", f"results for {word}\nTotal: {len(word)}\n")

    def answer(self, status, media_type, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Request-Id", str(uuid.uuid4()))
        if not IS_NEW:
            self.send_header("X-Frame-Options", "DENY")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 100
    daemon_threads = True


server = Server(("127.0.0.1", 0), Shop)
print(server.server_address[1], file=sys.stderr, flush=True)
server.serve_forever()
