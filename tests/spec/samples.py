"""Events to write and read: exchanges that use every column of docs/SPEC.md, made of few words."""

import base64
import hashlib

LINE_LONG = b"x" * 300
U64_MAX = (1 << 64) - 1
U32_MAX = (1 << 32) - 1


def message(head, body=b"", **changes):
    length = len(body)
    made = {"head": base64.b64encode(head).decode(), "framing": "length" if body else "none",
            "body": base64.b64encode(body).decode(), "total_len": length, "chunks": [], "trailers": "", "pieces": [],
            "sha256": None, "redacted": None, "dropped": None}
    return {**made, **changes}


def get(path="/", host=b"shop", agent=b"curl/8"):
    return message(b"GET %s HTTP/1.1\r\nhost: %s\r\nuser-agent: %s\r\n\r\n" % (path.encode(), host, agent))


def answer(body=b"", status=b"200 OK", **changes):
    return message(b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n" % (status, changes.get("total_len", len(body))), body,
                   **changes)


def exchange(seq, request, response, at=1_000_000, client=1, connection=7, **changes):
    """One on a connection since 1000 ns before the request, whose steps are 100 ns each."""
    instants = {"request_start": at, "request_head": at + 100, "request_end": at + 200, "connected": at - 1000,
                "response_start": at + 300, "response_head": at + 400, "response_end": at + 500}
    if response is None:
        instants |= {"response_start": None, "response_head": None, "response_end": None}
    instants = {name: instant if instant is None else instant % (U64_MAX + 1) for name, instant in instants.items()}
    instants |= changes.pop("instants", {})
    made = {"seq": seq, "client": {"source": "peer", "id": f"{client:016x}"}, "connection": connection,
            "protocol": "HTTP/1.1", "end": "complete", "ambiguity": None, "resynchronised": False, "rebuilt": False,
            "instants": instants, "informational": [], "facts": None, "replay_of": None, "tunnel": None,
            "request": request, "response": response}
    return {"exchange": {**made, **changes}}


def gap(reason, **numbers):
    made = {"from_ns": 0, "to_ns": 0, "connections": 0, "exchanges": 0, "bytes": 0}
    return {"gap": {"reason": reason, **made, **numbers}}


def flow(size=0, **changes):
    return {"bytes": size, "first": None, "last": None, "pieces": [], "frames": [], "content": "", **changes}


def b64(data):
    return base64.b64encode(data).decode()


LOGO = b"\x89PNG a logo that comes again and again"
PAGE = b"<html>a page</html>"


def plain():
    return [
        exchange(1, get("/"), answer(PAGE)),
        exchange(2, get("/logo"), answer(LOGO), at=2_000_000),
        exchange(3, message(b"POST /order HTTP/1.1\r\nhost: shop\r\ncontent-length: 5\r\n\r\n", b"a=b&c"),
                 answer(status=b"204 No Content"), at=3_000_000, client=2, connection=8),
        {"index": None},
    ]


def from_0():
    """Everything at once in a segment with number 1, in which numbers begin with 0."""
    events = [event for event in everything() if "exchange" in event]
    for seq, event in enumerate(events):
        event["exchange"]["seq"] = seq
    return [*events, {"index": None}]


def browsing():
    """Two clients on three connections, who say and get the same again: what references are for."""
    events = []
    for turn in range(12):
        client = 1 + turn % 2
        connection = [7, 8, 7, 8, 9, 8][turn % 6]
        path = ["/", "/logo", "/short"][turn % 3]
        body = {"/": PAGE, "/logo": LOGO, "/short": b"short"}[path]
        changes = {"instants": {"connected": None}} if connection == 9 else {"instants": {"connected": 500_000}}
        events.append(exchange(100 + turn, get(path, agent=b"agent of %d" % client), answer(body),
                               at=1_000_000 * (turn + 1), client=client, connection=connection, **changes))
    # A client whose agent changes, and changes back: a value that is not its latest.
    for turn, agent in enumerate([b"new", b"agent of 1", b"new"], 112):
        events.append(exchange(turn, get("/", agent=agent), answer(PAGE), at=1_000_000 * turn))
    events.append(exchange(115, get("/"), answer(PAGE), at=1, instants={"connected": None}))
    return events


def numbered():
    """Bodies with numbers in them and others, some of which come again, in requests, responses and a tunnel."""
    events = []
    for turn in range(9):
        asked = [b'{"id":%d,"of":[1,%d]}' % (turn // 2, turn % 3), b"no digits", b"7"][turn % 3]
        told = [b'{"id": %d, "note": "%s"}' % (turn, b"x" * turn), b'{"id":4,"of":[1,1]}', b""][turn % 2 if turn < 7 else 2]
        post = message(b"POST /%d HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % (turn, len(asked)), asked)
        events.append(exchange(turn, post, answer(told), at=1_000_000 * (turn + 1), client=1 + turn % 2))
    events[8]["exchange"]["tunnel"] = {"to_upstream": flow(3, content=b64(b"frame 1")),
                                       "to_client": flow(3, content=b64(b"frame 2"))}
    return events


def everything():
    """Every column with a number that is not its default."""
    rows = [[1_000_150, 10], [1_000_120, 20]]
    wide = exchange(
        (1 << 40) + 1,
        message(b"POST /in HTTP/1.1\r\ntransfer-encoding: chunked\r\nx-long: " + LINE_LONG + b"\r\n\r\n",
                b"kept body", framing="chunked", total_len=50, chunks=[20, 30, 0], trailers=b64(b"x-sum: 9\r\n"),
                pieces=rows, sha256=hashlib.sha256(b"request").hexdigest(), redacted=["gzip", "br"],
                dropped="truncated"),
        message(b"HTTP/1.1 200 OK\r\nset-cookie: a\r\nset-cookie: b\r\n\r\n", b"until close",
                framing="until_close", total_len=5, chunks=[1 << 62, 7], trailers=b64(b"x: y\r\n"), pieces=rows[:1],
                sha256="00" * 32, redacted=[], dropped="rule"),
        end="client_gone", ambiguity="both_lengths", resynchronised=True, rebuilt=True,
        client=0xfeed << 48, connection=1 << 40,
        informational=[b64(b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n"), b64(b"HTTP/1.1 100 \r\n\r\n")],
        facts='{"tls":{"sni":"bücher.example"}}', replay_of={"session": 2, "seq": 77, "copy": 3})
    tunnel = exchange(
        (1 << 40) + 2, get("/socket"), answer(status=b"101 Switching Protocols"), at=5_000_000, client=4, connection=9,
        instants={"response_end": None},
        tunnel={
            "to_upstream": flow(1000, first=5_000_600, last=5_000_900, content=b64(b"hello from the client"),
                                pieces=[[5_000_600, 900], [5_000_900, 100]],
                                frames=[[5_000_600, 129, 12], [5_000_500, 2, 1 << 35]]),
            "to_client": flow(7, last=4_999_999, frames=[[4_999_999, 136, 0]]),
        })
    tunnel["exchange"]["client"]["source"] = "forwarded"
    fields = b":method: GET\r\n:path: /\r\nx-empty: \r\n\r\n"
    two = exchange((1 << 40) + 3, message(fields), message(b":status: 200\r\n\r\n", b"\0\xff" * 500,
                   dropped="behind", total_len=1 << 40), at=6_000_000, protocol="HTTP/2", end="timeout")
    three = exchange((1 << 40) + 4, message(fields, dropped="undecodable"), answer(redacted=["zstd"]),
                     at=7_000_000, protocol="HTTP/3", end="capture_lost", facts="{}")
    zero = exchange((1 << 40) + 5, message(b"no HTTP at all\nwith \rodd ends\r"), answer(dropped="damaged"),
                    at=8_000_000, protocol="HTTP/1.0", end="recording_stopped", ambiguity="unasked_upgrade",
                    resynchronised=True)
    zero["exchange"]["client"]["source"] = "connection"
    named = exchange((1 << 40) + 6, get("/named"), None, at=9_000_000, client=3, connection=0, end="upstream_gone",
                     instants={"request_end": None, "connected": None, "response_start": 9_000_050},
                     replay_of={"session": 0, "seq": 12, "copy": 0})
    named["exchange"]["client"]["source"] = "named"
    gaps = [gap("queue_full", from_ns=1, to_ns=2, connections=3, exchanges=4, bytes=5), gap("other", to_ns=1 << 40)]
    return [wide, tunnel, *gaps, two, three, zero, named, {"index": None}]


def extremes():
    """Instants that run backwards, numbers at the ends of what 64 bits hold, and what is empty."""
    odd = exchange(
        U64_MAX - 3, get("/odd"), None, at=0, client=3, connection=0, end="upstream_gone",
        instants={"request_head": U64_MAX, "request_end": None, "connected": U64_MAX, "response_start": 5},
        replay_of={"session": U32_MAX, "seq": U64_MAX, "copy": U32_MAX})
    half = exchange(U64_MAX - 2, message(b"", chunks=[U64_MAX, 0]), message(b"", b"body", total_len=U64_MAX),
                    at=1 << 63, client=U64_MAX, connection=U64_MAX, replay_of={"session": 0, "seq": 0, "copy": 0})
    empty = exchange(U64_MAX - 1, message(b""), message(b""), at=U64_MAX, connection=1 << 63, client=0, facts="",
                     informational=[""], tunnel={"to_upstream": flow(U64_MAX), "to_client": flow()})
    return [odd, half, empty, gap("other", from_ns=U64_MAX, to_ns=U64_MAX, connections=U64_MAX, exchanges=U64_MAX,
                                  bytes=U64_MAX)]


def ambiguities(names):
    return [exchange(place, get("/"), None, ambiguity=name) for place, name in enumerate(names)]


def segments():
    """Three segments, the last of which was not closed, and numbers that a gap says were lost."""
    return [
        exchange(0, get("/"), answer(PAGE)), exchange(1, get("/"), answer(LOGO), client=2), {"index": None},
        gap("write_failed", from_ns=5, exchanges=8), exchange(10, get("/"), answer(PAGE)), {"index": None},
        exchange(11, get("/logo"), answer(LOGO)), gap("breaker", bytes=1 << 40), {"unfinished": 2},
    ]
