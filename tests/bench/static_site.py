"""Readers of a site of static pages: each answer is what a real nginx says, with its date set to the clock of the traffic.

Pages, style sheets, scripts, fonts and pictures of Rust's own documentation. Browsers keep what they were given and ask again with
its ETag; crawlers and scripts take pages only, compressed or not.
"""

import getpass
import re
import socket
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote, urljoin

import traffic
from common import free_port, stop, wait_for_port

NGINX = """
daemon off; user {user}; pid {folder}/pid; error_log {folder}/errors; worker_processes 1;
events {{}}
http {{
    include /etc/nginx/mime.types; access_log off; sendfile on; server_tokens off; keepalive_requests 100000;
    gzip on; gzip_vary on; gzip_comp_level 5; gzip_min_length 256; gzip_types text/css application/javascript image/svg+xml;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{
        listen 127.0.0.1:{port}; root {root};
        location / {{ add_header X-Content-Type-Options nosniff; add_header Strict-Transport-Security "max-age=31536000"; }}
        location ~ ^/static\\.files/ {{ expires 1d; add_header X-Content-Type-Options nosniff; }}
    }}
}}
"""
LINKED = re.compile(rb"""(?:href|src|data-[a-z-]+)="([^"#?]+\.(?:css|js|woff2|svg|png))["#?]""")
CRAWLERS = [
    [("User-Agent", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"), ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
     ("Accept-Encoding", "gzip, deflate, br"), ("From", "googlebot(at)googlebot.com"), ("Connection", "keep-alive")],
    [("User-Agent", "Wget/1.21.3"), ("Accept", "*/*"), ("Accept-Encoding", "identity"), ("Connection", "Keep-Alive")],
    [("User-Agent", "curl/7.88.1"), ("Accept", "*/*")],
]
PAGES, VISITORS = 600, 40


class Site:
    """nginx, asked once for each answer that it can give."""

    def __init__(self, root, port):
        self.root, self.answers = root, {}
        self.host = f"127.0.0.1:{port}"
        self.stream = socket.create_connection(("127.0.0.1", port)).makefile("rwb")

    def answer(self, path, coding, etag=None):
        """Status, reason, fields, body, and the sizes of its chunks."""
        asked = (path, "gzip" in coding, etag)
        if asked not in self.answers:
            fields = [("Host", self.host), ("Accept-Encoding", "gzip" if asked[1] else "identity")] + ([("If-None-Match", etag)] if etag else [])
            self.stream.write(traffic.head(f"GET {path} HTTP/1.1", fields))
            self.stream.flush()
            _, status, reason = self.stream.readline().decode().rstrip("\r\n").split(" ", 2)
            fields = [line.decode().rstrip("\r\n").split(": ", 1) for line in iter(self.stream.readline, b"\r\n")]
            assert status in ("200", "304"), f"nginx answered {status} for {path}"
            body, chunks = self.body(dict(fields))
            self.answers[asked] = (int(status), reason, fields, body, chunks)
        return self.answers[asked]

    def body(self, fields):
        if fields.get("Transfer-Encoding") != "chunked":
            return self.stream.read(int(fields.get("Content-Length", 0))), []
        chunks, parts = [], []
        while length := int(self.stream.readline(), 16):
            chunks.append(length)
            parts.append(self.stream.read(length))
            self.stream.readline()
        self.stream.readline()
        return b"".join(parts), chunks


def linked(site, path, body):
    """What a page's HTML asks a browser to load."""
    found = []
    for name in LINKED.findall(body):
        at = urljoin(path, name.decode())
        if at.startswith("/") and at not in found and (site.root / at.lstrip("/")).is_file():
            found.append(at)
    return found


def fields_of(who, path, etag, referer):
    if "fields" in who:
        return [("Host", "docs.example.com")] + who["fields"]
    seen = who["browser"]
    is_page = path.endswith(".html")
    dest = "document" if is_page else {"css": "style", "js": "script", "woff2": "font"}.get(path.rsplit(".", 1)[1], "image")
    accept = ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8" if is_page
              else {"style": "text/css,*/*;q=0.1", "image": "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"}.get(dest, "*/*"))
    fields = [("Host", "docs.example.com"), ("Connection", "keep-alive")] + seen["hints"]
    fields += [("Upgrade-Insecure-Requests", "1")] if is_page else []
    fields += [("User-Agent", seen["agent"]), ("Accept", accept), ("Sec-Fetch-Site", "same-origin"),
               ("Sec-Fetch-Mode", "navigate" if is_page else "cors" if dest == "font" else "no-cors"), ("Sec-Fetch-Dest", dest)]
    fields += [("Referer", f"https://docs.example.com{referer}")] if referer else []
    fields += [("Accept-Encoding", seen["codings"]), ("Accept-Language", seen["language"])]
    fields += [("Cookie", who["cookie"])] if who["cookie"] else []
    return fields + ([("If-None-Match", etag)] if etag else [])


def visitor(rng, number):
    made = {"key": rng.getrandbits(64), "connection": number, "held": {}, "at": None}
    if rng.random() < 0.1:
        return made | {"fields": rng.choice(CRAWLERS)}
    cookie = f"_ga=GA1.1.{rng.randrange(10**9)}.{rng.randrange(1_750_000_000, 1_784_000_000)}" if rng.random() < 0.6 else ""
    return made | {"browser": traffic.browser(rng), "cookie": cookie}


def wanted(rng, site, who, path):
    """The requests of one page view: path and the ETag that the visitor holds, if it asks again."""
    coding = dict(who["fields"]).get("Accept-Encoding", "") if "fields" in who else "gzip"
    held = who["held"]
    yield path, coding, held.get(path)
    if "fields" in who:
        return
    _, _, fields, body, _ = site.answer(path, "identity")
    held[path] = dict(fields).get("ETag")
    for part in linked(site, path, body):
        # What a browser holds it asks for again on a reload only.
        if part not in held or rng.random() < 0.1:
            yield part, coding, held.get(part)
            held[part] = dict(site.answer(part, coding)[2]).get("ETag")


def visits(rng, site, found):
    clock, visitors, number = traffic.Clock(rng, 100), [], 0
    while True:
        if len(visitors) < VISITORS or rng.random() < 0.25:
            number += 1
            visitors = visitors[-VISITORS + 1:] + [visitor(rng, number)]
        who = rng.choice(visitors)
        # Few pages are read by many: Zipf's law.
        path = "/" + quote(str(found[min(int(rng.paretovariate(0.8)) - 1, len(found) - 1)]))
        for part, coding, etag in wanted(rng, site, who, path):
            clock.tick()
            fields = fields_of(who, part, etag, who["at"] if part == path else path)
            status, reason, answer_fields, body, chunks = site.answer(part, coding, etag)
            now = {"Date": clock.date(), "Expires": clock.date(86_400)}
            answer_fields = [(name, now.get(name, value)) for name, value in answer_fields]
            yield traffic.Exchange(clock.at_ns, 300_000 + int(rng.expovariate(1 / 2e6)), who["key"], who["connection"], "GET", part, fields, b"",
                                   status, reason, answer_fields, body, chunks)
        who["at"] = path


def pages(rng):
    """A site of static pages, whose bodies repeat: views by browsers and crawlers, with 304 and gzip."""
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    root = Path(sysroot) / "share/doc/rust/html"
    found = sorted(path.relative_to(root) for path in root.rglob("*.html") if 2_000 < path.stat().st_size < 300_000)
    if len(found) < PAGES:
        raise SystemExit(f"{root} has no documentation: rustup component add rust-docs")
    found = rng.sample(found, PAGES)
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        conf = Path(folder) / "nginx.conf"
        conf.write_text(NGINX.format(folder=folder, user=getpass.getuser(), port=port, root=root))
        nginx = subprocess.Popen(["nginx", "-p", folder, "-c", conf], stderr=subprocess.DEVNULL)
        try:
            wait_for_port(port, nginx)
            yield from visits(rng, Site(root, port), found)
        finally:
            stop(nginx)
