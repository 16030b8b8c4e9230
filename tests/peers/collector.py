"""An OTLP collector of traces that can behave as badly as collectors do, over gRPC, HTTP/protobuf and HTTP/JSON.

    collector.py grpc|http [--port PORT] [--tls CERT KEY CA] FILE BEHAVIOUR...

Prints its port. FILE gets one JSON line for each span that was taken, as otlp.py writes them, and for each request a line
with `request`: its headers, its size and what it was answered. The first request gets the first BEHAVIOUR, and so on; the
last one is for all that follow:

    ok                   take everything
    reject:N:WORDS       partial success: N spans rejected (their lines are written all the same)
    warn:WORDS           partial success with 0 rejected
    code:N[:SECONDS]     refuse with this HTTP status or gRPC code; SECONDS go into Retry-After or RetryInfo
    token:FILE           refuse (401, UNAUTHENTICATED) unless the header x-token is what FILE holds now; else take
    echo:N               refuse with code N and words that repeat the header x-token
    html                 200 and a web page
    nonsense             success with bytes that are no message
    gigabytes            success with an answer that does not end (gRPC: of 64 MiB)
    close                take, then close in the middle of the answer
    hang                 never answer
    slow:SECONDS         take, and answer after a while
"""

import gzip
import json
import socket
import ssl
import sys
import threading
import time
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from google.protobuf import any_pb2, duration_pb2, json_format
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PATH = "/v1/traces"


class Log:
    """Behaviours in turn, and lines in the file."""

    def __init__(self, path, behaviours):
        self.file, self.behaviours, self.lock = open(path, "a"), list(behaviours), threading.Lock()

    def next(self):
        with self.lock:
            return self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]

    def note(self, **about):
        with self.lock:
            self.file.write(json.dumps({"request": about}) + "\n")
            self.file.flush()

    def take(self, request):
        with self.lock:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        self.file.write(json.dumps({
                            "scope": scope.scope.name,
                            "name": span.name,
                            "kind": span.kind,
                            "trace_id": span.trace_id.hex(),
                            "span_id": span.span_id.hex(),
                            "parent": span.parent_span_id.hex(),
                            "links": [link.trace_id.hex() for link in span.links],
                        }) + "\n")
            self.file.flush()


def partial(behaviour):
    """The answer of a success."""
    what, _, rest = behaviour.partition(":")
    response = messages.ExportTraceServiceResponse()
    if what == "reject":
        count, _, words = rest.partition(":")
        response.partial_success.rejected_spans = int(count)
        response.partial_success.error_message = words
    if what == "warn":
        response.partial_success.error_message = rest
    return response


def has_token(behaviour, headers):
    return headers.get("x-token") == open(behaviour.partition(":")[2]).read().strip()


def from_json(body):
    """OTLP's JSON has ids in hexadecimal where protobuf's has base64."""
    import base64

    def ids(value):
        if isinstance(value, list):
            return [ids(one) for one in value]
        if isinstance(value, dict):
            return {
                key: base64.b64encode(bytes.fromhex(one)).decode()
                if key in ("traceId", "spanId", "parentSpanId") else ids(one)
                for key, one in value.items()
            }
        return value

    return json_format.ParseDict(ids(json.loads(body)), messages.ExportTraceServiceRequest())


def http_handler(log):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def answer(self, status, kind, body, **more):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            for name, value in more.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            packed = self.rfile.read(int(self.headers["Content-Length"]))
            behaviour = log.next()
            headers = {name.lower(): value for name, value in self.headers.items()}
            log.note(path=self.path, headers=headers, bytes=len(packed), behaviour=behaviour)
            body = gzip.decompress(packed) if headers.get("content-encoding") == "gzip" else packed
            is_json = headers["content-type"] == "application/json"
            request = from_json(body) if is_json else messages.ExportTraceServiceRequest.FromString(body)
            what, _, rest = behaviour.partition(":")
            if what == "hang":
                threading.Event().wait()
            if what == "code":
                status, _, seconds = rest.partition(":")
                more = {"Retry_After": seconds} if seconds else {}
                return self.answer(int(status), "text/plain", b"as I was told", **more)
            if what == "token" and not has_token(behaviour, headers):
                return self.answer(401, "text/plain", b"who are you")
            if what == "echo":
                return self.answer(int(rest), "text/plain", f"bad token {headers.get('x-token')}".encode())
            if what == "html":
                return self.answer(200, "text/html", b"<html>Welcome</html>")
            if what == "nonsense":
                return self.answer(200, headers["content-type"], b"\xff\xff\xff")
            if what == "gigabytes":
                self.send_response(200)
                self.send_header("Content-Type", headers["content-type"])
                self.send_header("Content-Length", str(4 << 30))
                self.end_headers()
                try:
                    while True:
                        self.wfile.write(bytes(1 << 20))
                except OSError:
                    log.note(behaviour="the sender has gone")
                    self.close_connection = True
                    return None
            log.take(request)
            if what == "close":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return None
            if what == "slow":
                time.sleep(float(rest))
            response = partial(behaviour)
            if is_json:
                return self.answer(200, "application/json", json_format.MessageToJson(response).encode())
            return self.answer(200, "application/x-protobuf", response.SerializeToString())

    return Handler


def http(log, port, tls):
    server = ThreadingHTTPServer(("127.0.0.1", port), http_handler(log))
    server.daemon_threads = True
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls[0], tls[1])
        context.load_verify_locations(tls[2])
        context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_address[1], file=sys.stderr, flush=True)
    server.serve_forever()


def retry_info(code, seconds):
    """google.rpc.Status with a RetryInfo, by hand: its messages are in no package of these tests."""
    delay = duration_pb2.Duration()
    delay.FromNanoseconds(int(float(seconds) * 1e9))
    field = lambda number, value: bytes([number << 3 | 2, len(value)]) + value
    info = any_pb2.Any(type_url="type.googleapis.com/google.rpc.RetryInfo",
                       value=field(1, delay.SerializeToString()))
    return bytes([8, code]) + field(2, b"wait") + field(3, info.SerializeToString())


class Grpc(grpc.GenericRpcHandler):
    def __init__(self, log):
        self.log = log

    def service(self, call):
        if call.method != EXPORT:
            return None
        return grpc.unary_unary_rpc_method_handler(self.export)

    def export(self, body, context):
        behaviour = self.log.next()
        headers = {name: value for name, value in context.invocation_metadata() if isinstance(value, str)}
        self.log.note(path=EXPORT, headers=headers, bytes=len(body), behaviour=behaviour)
        what, _, rest = behaviour.partition(":")
        codes = {code.value[0]: code for code in grpc.StatusCode}
        if what == "hang":
            threading.Event().wait()
        if what == "code":
            code, _, seconds = rest.partition(":")
            if seconds:
                context.set_trailing_metadata([("grpc-status-details-bin", retry_info(int(code), seconds))])
            context.abort(codes[int(code)], "as I was told")
        if what == "token" and not has_token(behaviour, headers):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you")
        if what == "echo":
            context.abort(codes[int(rest)], f"bad token {headers.get('x-token')}")
        if what == "nonsense":
            return b"\xff\xff\xff"
        if what == "gigabytes":
            return bytes(64 << 20)
        self.log.take(messages.ExportTraceServiceRequest.FromString(body))
        if what == "slow":
            time.sleep(float(rest))
        return partial(behaviour).SerializeToString()


def read(path):
    with open(path, "rb") as file:
        return file.read()


def over_grpc(log, port, tls):
    # No SO_REUSEPORT: two collectors on one port would share the calls.
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), handlers=(Grpc(log),),
                         options=[("grpc.so_reuseport", 0)])
    address = f"127.0.0.1:{port}"
    if tls:
        cert, key, ca = map(read, tls)
        credentials = grpc.ssl_server_credentials([(key, cert)], root_certificates=ca, require_client_auth=True)
        port = server.add_secure_port(address, credentials)
    else:
        port = server.add_insecure_port(address)
    server.start()
    print(port, file=sys.stderr, flush=True)
    server.wait_for_termination()


def main():
    transport, *arguments = sys.argv[1:]
    port, tls = 0, None
    while arguments[0].startswith("--"):
        flag = arguments.pop(0)
        if flag == "--port":
            port = int(arguments.pop(0))
        elif flag == "--tls":
            tls, arguments = arguments[:3], arguments[3:]
        else:
            sys.exit(f"{flag} is no flag of this peer")
    path, *behaviours = arguments
    log = Log(path, behaviours)
    (over_grpc if transport == "grpc" else http)(log, port, tls)


main()
