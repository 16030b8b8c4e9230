"""Kinds of traffic for the bench of sessions, made from a seed: the same on a machine each time it is asked for.

Heads are those that real clients send (curl, wget, Python's and Node's libraries, SDKs, browsers), with what differs between
their requests filled in. Bodies come from what is on the machine: cargo's registry index for JSON, Rust's documentation for pages,
images wherever they are. What a server adds is its own: pages are answered by a real nginx (see static_site.py).
"""

import base64
import datetime
import hashlib
import json
import random
import subprocess
import uuid
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlencode

STARTED = 1_784_021_400_000_000_000
SECOND = 1_000_000_000
BROWSERS = {
    "chrome": ("Mozilla/5.0 ({os}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Safari/537.36",
               ["Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64", "Linux; Android 10; K"]),
    "edge": ("Mozilla/5.0 ({os}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Safari/537.36 Edg/{v}.0.0.0",
             ["Windows NT 10.0; Win64; x64"]),
    "firefox": ("Mozilla/5.0 ({os}; rv:{v}.0) Gecko/20100101 Firefox/{v}.0",
                ["Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10.15", "X11; Linux x86_64"]),
    "safari": ("Mozilla/5.0 ({os}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{s} Mobile/15E148 Safari/604.1",
               ["iPhone; CPU iPhone OS 18_{p} like Mac OS X", "iPad; CPU OS 17_{p} like Mac OS X"]),
}
LANGUAGES = ["en-US,en;q=0.9", "en-GB,en;q=0.8", "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7", "fr-FR,fr;q=0.9,en;q=0.8", "ja,en-US;q=0.9",
             "pt-BR,pt;q=0.9", "es-ES,es;q=0.9,en;q=0.8", "zh-CN,zh;q=0.9", "nl,en;q=0.5", "pl-PL,pl;q=0.9,en-US;q=0.8"]
# As these programs send them, but for the host; the rest of a request's fields follows.
PROGRAMS = [
    [("User-Agent", "curl/7.88.1"), ("Accept", "*/*")],
    [("User-Agent", "python-requests/2.34.2"), ("Accept-Encoding", "gzip, deflate"), ("Accept", "*/*"), ("Connection", "keep-alive")],
    [("Accept", "*/*"), ("Accept-Encoding", "gzip, deflate"), ("Connection", "keep-alive"), ("User-Agent", "python-httpx/0.28.1")],
    [("Accept", "*/*"), ("Accept-Encoding", "gzip, deflate"), ("User-Agent", "Python/3.11 aiohttp/3.14.5")],
    [("connection", "keep-alive"), ("accept", "*/*"), ("accept-language", "*"), ("sec-fetch-mode", "cors"), ("user-agent", "node"),
     ("accept-encoding", "gzip, deflate")],
    [("User-Agent", "Go-http-client/1.1"), ("Accept-Encoding", "gzip")],
    [("accept", "application/json"), ("user-agent", "okhttp/4.12.0"), ("accept-encoding", "gzip"), ("connection", "Keep-Alive")],
]


class Exchange(NamedTuple):
    """Fields are (name, value) pairs; a body is as it was sent, without the framing of chunks."""
    at_ns: int
    took_ns: int
    client: int
    connection: int
    method: str
    target: str
    fields: list
    body: bytes
    status: int
    reason: str
    answer_fields: list
    answer: bytes
    chunks: list


class Clock:
    """Requests that come at random, and the two forms of time in their heads."""

    def __init__(self, rng, rate):
        self.rng, self.rate, self.at_ns = rng, rate, 0

    def tick(self):
        self.at_ns += int(self.rng.expovariate(self.rate) * SECOND) + 1
        return self.at_ns

    def date(self, later_s=0):
        return http_date((STARTED + self.at_ns) // SECOND + later_s)


def http_date(unix_s):
    return datetime.datetime.fromtimestamp(unix_s, datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")


def browser(rng):
    name = rng.choices(list(BROWSERS), [60, 8, 12, 20])[0]
    form, systems = BROWSERS[name]
    version = rng.randrange(136, 146)
    agent = form.format(os=rng.choice(systems), v=version, s=f"18.{rng.randrange(7)}").replace("{p}", str(rng.randrange(7)))
    hints = []
    if name in ("chrome", "edge"):
        brand = "Google Chrome" if name == "chrome" else "Microsoft Edge"
        hints = [("sec-ch-ua-platform", '"Android"' if "Android" in agent else '"Windows"' if "Windows" in agent else '"Linux"'),
                 ("sec-ch-ua", f'"{brand}";v="{version}", "Chromium";v="{version}", "Not/A)Brand";v="24"'),
                 ("sec-ch-ua-mobile", "?1" if "Android" in agent else "?0")]
    return {"agent": agent, "hints": hints, "language": rng.choice(LANGUAGES), "codings": "gzip, deflate, br, zstd"}


def hexed(rng, count):
    return f"{rng.getrandbits(4 * count):0{count}x}"


def token(rng, claims):
    """A JWT: header, claims, and a signature that nobody can check."""
    coded = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in
             (b'{"alg":"RS256","typ":"JWT","kid":"2026-06"}', json.dumps(claims).encode(), rng.randbytes(256))]
    return ".".join(coded)


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def index_records():
    """What crates.io answers about crates, one version each, as cargo has kept it."""
    records = []
    for path in sorted(Path.home().glob(".cargo/registry/index/*/.cache/**/*")):
        if path.is_file():
            records += [json.loads(part) for part in path.read_bytes().split(b"\0") if part.startswith(b'{"name"')]
    if not records:
        raise SystemExit("cargo's registry index is empty: build once")
    return records


def user(rng, number):
    """A person's or program's constants: what its heads begin with, its credentials, its connection."""
    made = {"number": number, "key": rng.getrandbits(64), "connection": number}
    if rng.random() < 0.6:
        made["browser"] = browser(rng)
        made["cookie"] = (f"_ga=GA1.1.{rng.randrange(10**9)}.{rng.randrange(1_750_000_000, 1_784_000_000)}; "
                          f"sid=s%3A{hexed(rng, 32)}.{quote(base64.b64encode(rng.randbytes(32)).decode(), safe='')}; theme={rng.choice(['dark', 'light'])}")
    else:
        made["program"] = rng.choice(PROGRAMS)
        made["bearer"] = token(rng, {"iss": "https://id.example.com/", "sub": f"svc|{hexed(rng, 24)}", "aud": "https://api.example.com",
                                     "iat": 1_784_020_000 + number, "exp": 1_784_056_000 + number, "scope": "read:crates write:crates"})
    return made


def request_fields(rng, who, host, body, kind, trace):
    if "browser" in who:
        seen = who["browser"]
        fields = [("Host", host), ("Connection", "keep-alive")]
        fields += [("Content-Length", str(len(body)))] if body else []
        fields += seen["hints"][:1] + [("User-Agent", seen["agent"])]
        fields += [("Accept", "application/json, text/plain, */*")] + seen["hints"][1:]
        fields += [("Content-Type", kind)] if body else []
        fields += [("Origin", "https://www.example.com"), ("Sec-Fetch-Site", "same-site"), ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty"),
                   ("Referer", "https://www.example.com/"), ("Accept-Encoding", seen["codings"]), ("Accept-Language", seen["language"]),
                   ("Cookie", who["cookie"])]
        if trace and rng.random() < 0.5:
            number, span = hexed(rng, 32), hexed(rng, 16)
            fields += [("sentry-trace", f"{number}-{span}-0"),
                       ("baggage", f"sentry-environment=production,sentry-release=web%402026.7.{who['number'] % 9},sentry-trace_id={number}")]
    else:
        fields = [("Host", host)] + list(who["program"]) + [("Authorization", f"Bearer {who['bearer']}")]
        fields += [("Content-Type", kind), ("Content-Length", str(len(body)))] if body else []
        if trace:
            fields += [("traceparent", f"00-{hexed(rng, 32)}-{hexed(rng, 16)}-0{rng.randrange(2)}")]
    return fields + [("X-Request-Id", str(uuid.UUID(int=rng.getrandbits(128), version=4)))]


def answer_fields(rng, clock, fields, answer, kind, fresh=True):
    asked = dict(fields)["X-Request-Id"]
    made = [("date", clock.date()), ("content-type", kind), ("content-length", str(len(answer)))]
    if fresh:
        made += [("etag", 'W/"%x-%s"' % (len(answer), base64.b64encode(hashlib.sha1(answer).digest()).decode()[:27])), ("cache-control", "private, max-age=0")]
    made += [("vary", "Origin, Accept-Encoding"), ("x-request-id", asked), ("x-ratelimit-limit", "5000"), ("x-ratelimit-remaining", str(rng.randrange(5000))),
             ("x-envoy-upstream-service-time", str(1 + int(rng.expovariate(0.05)))), ("strict-transport-security", "max-age=31536000; includeSubDomains"),
             ("x-content-type-options", "nosniff"), ("server", "envoy")]
    return made


def resource(rng, record, clock):
    """A small JSON answer about a version, with what differs each time it is asked for."""
    moment = datetime.datetime.fromtimestamp((STARTED + clock.at_ns) / SECOND, datetime.timezone.utc).isoformat()
    made = {"id": rng.getrandbits(40), "crate": record["name"], "num": record["vers"], "downloads": rng.randrange(10**7), "yanked": record["yanked"],
            "created_at": record.get("pubtime"), "updated_at": moment, "checksum": record["cksum"],
            "links": {"dependencies": f"/api/v1/crates/{record['name']}/{record['vers']}/dependencies",
                      "authors": f"/api/v1/crates/{record['name']}/{record['vers']}/authors"}}
    if rng.random() < 0.4:
        made["dependencies"] = [{"crate_id": dep["name"], "req": dep["req"], "kind": dep["kind"], "optional": dep["optional"]} for dep in record["deps"][:6]]
    if rng.random() < 0.3:
        made["published_by"] = {"id": rng.randrange(400_000), "login": f"user{rng.randrange(400_000)}", "avatar": f"https://avatars.example.com/u/{rng.randrange(10**8)}?v=4"}
    return made


def api(rng):
    """An API: few or small JSON bodies, all different, under heads of 400 to 1,500 bytes."""
    records, users, clock = index_records(), [], Clock(rng, 400)
    while True:
        clock.tick()
        if len(users) < 50 or rng.random() < 0.02:
            users.append(user(rng, len(users) + 1))
        who = users[-1 - min(int(rng.expovariate(1 / 200)), len(users) - 1)]
        record, draw = rng.choice(records), rng.random()
        path = f"/api/v1/crates/{record['name']}"
        body, status, reason, kind = b"", 200, "OK", "application/json; charset=utf-8"
        if draw < 0.45:
            method, target, answer = "GET", f"{path}/{record['vers']}", compact({"version": resource(rng, record, clock)})
        elif draw < 0.6:
            query = urlencode({"q": record["name"][:4], "page": rng.randrange(1, 30), "per_page": 3, "sort": rng.choice(["relevance", "downloads", "new"])})
            method, target = "GET", f"/api/v1/crates?{query}"
            answer = compact({"crates": [resource(rng, rng.choice(records), clock) for _ in range(3)], "meta": {"total": rng.randrange(10**5)}})
        elif draw < 0.8:
            event = {"event": rng.choice(["view", "click", "scroll", "error"]), "at": (STARTED + clock.at_ns) // 1_000_000, "page": path, "v": rng.randrange(10**6),
                     "session": hexed(rng, 16), "props": {"x": rng.randrange(1920), "y": rng.randrange(1080), "ms": round(rng.expovariate(0.01), 2)}}
            method, target, body, status, reason, answer = "POST", "/v1/events", compact(event), 204, "No Content", b""
        elif draw < 0.95:
            change = {"name": record["name"], "vers": record["vers"], "note": record["cksum"][:rng.randrange(8, 60)], "stars": rng.randrange(6)}
            method, target, body, status, reason = "POST", f"{path}/reviews", compact(change), 201, "Created"
            answer = compact({"review": {"id": str(uuid.UUID(int=rng.getrandbits(128), version=4)), **change}})
        else:
            method, target, status, reason = "GET", f"{path}/{hexed(rng, 8)}", 404, "Not Found"
            answer = compact({"errors": [{"detail": f"crate `{record['name']}` does not have a version `{target.rsplit('/', 1)[1]}`"}]})
        fields = request_fields(rng, who, "api.example.com", body, "application/json", True)
        made = answer_fields(rng, clock, fields, answer, kind, method == "GET" and status == 200)
        if status == 204:
            made = [field for field in made if field[0] not in ("content-type", "content-length")]
        yield Exchange(clock.at_ns, 1_000_000 + int(rng.expovariate(1 / 20e6)), who["key"], who["connection"], method, target, fields, body,
                       status, reason, made, answer, [])


QUERIES = {
    "CrateList": "query CrateList($first: Int!, $after: String, $sort: CrateSort) {\n  crates(first: $first, after: $after, sort: $sort) {\n    edges {\n      cursor\n      node {\n        id\n        name\n        newestVersion { num checksum publishedAt yanked }\n        downloads\n        __typename\n      }\n    }\n    pageInfo { endCursor hasNextPage }\n  }\n}",
    "CrateDetail": "query CrateDetail($name: String!) {\n  crate(name: $name) {\n    ...CrateFields\n    versions(last: 5) { nodes { num checksum dependencies { name req kind optional } } }\n  }\n}\n\nfragment CrateFields on Crate {\n  id\n  name\n  downloads\n  updatedAt\n  owners { login avatarUrl }\n}",
    "AddStar": "mutation AddStar($input: AddStarInput!) {\n  addStar(input: $input) {\n    clientMutationId\n    starrable { id stargazerCount viewerHasStarred }\n  }\n}",
    "Viewer": "query Viewer {\n  viewer { id login name email notifications(unread: true) { totalCount } }\n}",
}


def images():
    """Images of the system and of Rust's documentation, of 300 bytes to 80 kB."""
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    found = []
    for root in (Path("/usr/share/icons"), Path("/usr/share/pixmaps"), Path("/usr/share/doc"), Path(sysroot) / "share/doc/rust/html"):
        for path in root.rglob("*") if root.is_dir() else []:
            if path.suffix in (".png", ".jpg", ".svg", ".gif", ".webp") and path.is_file() and 300 < path.stat().st_size < 80_000:
                found.append(path)
    if not found:
        raise SystemExit("there are no images on this machine")
    return [(path.name, path.read_bytes()) for path in sorted(found)]


def multipart(rng, name, content):
    boundary = f"----WebKitFormBoundary{base64.b64encode(rng.randbytes(12), b'AB').decode()}"
    kind = image_type(name)
    body = (f'--{boundary}\r\nContent-Disposition: form-data; name="title"\r\n\r\n{name}\r\n--{boundary}\r\nContent-Disposition: form-data; '
            f'name="file"; filename="{name}"\r\nContent-Type: {kind}\r\n\r\n').encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def image_type(name):
    return {"svg": "image/svg+xml", "jpg": "image/jpeg"}.get(name.rsplit(".", 1)[1], "image/" + name.rsplit(".", 1)[1])


def graphql(rng, record, clock):
    name = rng.choice(list(QUERIES))
    variables = {"CrateList": {"first": 4, "after": base64.b64encode(b"cursor:%d" % rng.randrange(10**6)).decode(), "sort": "DOWNLOADS"},
                 "CrateDetail": {"name": record["name"]}, "AddStar": {"input": {"starrableId": hexed(rng, 20), "clientMutationId": hexed(rng, 8)}}, "Viewer": {}}[name]
    shown = [resource(rng, record, clock) for _ in range({"CrateList": 4, "CrateDetail": 2}.get(name, 1))]
    return compact({"operationName": name, "variables": variables, "query": QUERIES[name]}), compact({"data": {name[0].lower() + name[1:]: shown}})


def gateway(rng, record):
    """What a gRPC gateway makes of its messages: 64-bit numbers as text, bytes as base64."""
    asked = {"key": base64.b64encode(f"/registry/{record['name']}/{record['vers']}".encode()).decode(), "value": base64.b64encode(compact(record)[:600]).decode(),
             "lease": str(rng.getrandbits(62)), "prevKv": True}
    header = {"clusterId": "14841639068965178418", "memberId": "10276657743932975437", "revision": str(rng.randrange(10**7)), "raftTerm": "7"}
    return compact(asked), compact({"header": header, "prevKv": {"key": asked["key"], "createRevision": str(rng.randrange(10**7)), "version": str(rng.randrange(99)), "value": asked["value"][:240]}})


def mixed(rng):
    """A shop's worth of everything: GraphQL, a gRPC gateway, forms, uploads, and images that many look at."""
    records, pictures, users, clock = index_records(), images(), [], Clock(rng, 200)
    rng.shuffle(pictures)
    while True:
        clock.tick()
        if len(users) < 50 or rng.random() < 0.03:
            users.append(user(rng, len(users) + 1))
        who = users[-1 - min(int(rng.expovariate(1 / 100)), len(users) - 1)]
        record, draw = rng.choice(records), rng.random()
        body, status, reason, kind, host = b"", 200, "OK", "application/json", "www.example.com"
        if draw < 0.3:
            sent_as, method, target = "application/json", "POST", "/graphql"
            body, answer = graphql(rng, record, clock)
        elif draw < 0.5:
            sent_as, method, target = "application/json", "POST", f"/v3/kv/{rng.choice(['put', 'range', 'deleterange'])}"
            body, answer = gateway(rng, record)
        elif draw < 0.6:
            sent_as, method, target = "application/x-www-form-urlencoded", "POST", "/cart"
            body = urlencode({"csrf": hexed(rng, 40), "sku": record["cksum"][:12], "name": record["name"], "quantity": rng.randrange(1, 5), "note": f"{record['vers']} & more"}).encode()
            status, reason, answer, kind = 303, "See Other", b"", "text/html; charset=utf-8"
        elif draw < 0.62:
            method, target = "POST", "/uploads"
            name, content = rng.choice(pictures)
            body, sent_as = multipart(rng, name, content)
            status, reason, answer = 201, "Created", compact({"id": hexed(rng, 24), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()})
        else:
            # Few pictures are looked at by many: Zipf's law.
            name, answer = pictures[min(int(rng.paretovariate(0.9)) - 1, len(pictures) - 1)]
            sent_as, method, target, kind = "", "GET", f"/images/{hashlib.md5(answer).hexdigest()[:10]}/{quote(name)}", image_type(name)
        fields = request_fields(rng, who, host, body, sent_as, draw < 0.6)
        made = answer_fields(rng, clock, fields, answer, kind, method == "GET")
        if status == 303:
            made += [("location", f"/cart?added={record['name']}"), ("set-cookie", f"cart={hexed(rng, 32)}; Path=/; HttpOnly; Secure; SameSite=Lax")]
        yield Exchange(clock.at_ns, 1_000_000 + int(rng.expovariate(1 / 30e6)), who["key"], who["connection"], method, target, fields, body,
                       status, reason, made, answer, [])


def of_kind(kind, seed, raw_bytes):
    """Exchanges until they are so many bytes on the wire."""
    from static_site import pages
    rng, made = random.Random(f"{kind} {seed}"), 0
    for exchange in {"api": api, "mixed": mixed, "pages": pages}[kind](rng):
        yield exchange
        made += sum(map(len, wire(exchange)))
        if made >= raw_bytes:
            return


def head(start, fields):
    return (start + "\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n").encode()


def wire(exchange):
    """Request and response as they were on the wire."""
    request = head(f"{exchange.method} {exchange.target} HTTP/1.1", exchange.fields) + exchange.body
    answer = exchange.answer
    if exchange.chunks:
        parts, at = [], 0
        for length in exchange.chunks:
            parts.append(b"%x\r\n%b\r\n" % (length, answer[at:at + length]))
            at += length
        answer = b"".join(parts) + b"0\r\n\r\n"
    return request, head(f"HTTP/1.1 {exchange.status} {exchange.reason}", exchange.answer_fields) + answer
