"""A raw recording sink: keeps each request as its bytes came and answers 200. Knows nothing of the product.

    sink.py FILE

Prints its port. One JSON line a request: connection number, head and body as base64, the body with its framing.
"""

import base64
import json
import socket
import sys
import threading

out = open(sys.argv[1], "w")
lock = threading.Lock()


def header(head, name):
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return None


def serve(connection, number):
    stream = connection.makefile("rb")
    while True:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                return
            head += line
        body = b""
        if header(head, b"transfer-encoding"):
            while True:
                line = stream.readline()
                body += line
                size = int(line.split(b";")[0], 16)
                if size == 0:
                    while True:
                        line = stream.readline()
                        body += line
                        if line == b"\r\n":
                            break
                    break
                body += stream.read(size + 2)
        elif header(head, b"content-length"):
            body = stream.read(int(header(head, b"content-length")))
        with lock:
            text = lambda data: base64.b64encode(data).decode()
            out.write(json.dumps({"connection": number, "head": text(head), "body": text(body)}) + "\n")
            out.flush()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: sid=abcdefghijklmnopqrst\r\n\r\nok")


listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
print(listener.getsockname()[1], file=sys.stderr, flush=True)
number = 0
while True:
    connection, _ = listener.accept()
    number += 1
    threading.Thread(target=serve, args=(connection, number), daemon=True).start()
