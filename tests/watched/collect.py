"""A collector of metrics over gRPC and HTTP (protobuf, JSON), which prints what it took: collect.py [REFUSE]

The first REFUSE calls are refused with UNAVAILABLE or 503, and may be sent again."""

import gzip
import json
import sys
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as messages
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as service

left, lock = int(sys.argv[1]) if len(sys.argv) > 1 else 0, threading.Lock()


def refuses():
    global left
    with lock:
        left -= 1
        return left >= 0


def show(how, request, headers):
    line = {"how": how, "headers": headers, "request": json_format.MessageToDict(request)}
    with lock:
        print(json.dumps(line), flush=True)


class Metrics(service.MetricsServiceServicer):
    def Export(self, request, context):
        if refuses():
            context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        show("grpc", request, dict(context.invocation_metadata()))
        return messages.ExportMetricsServiceResponse()


class Http(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        kind = self.headers["Content-Type"]
        status = 503 if refuses() else 200 if self.path == "/v1/metrics" else 404
        if status == 200 and kind == "application/json":
            show("json", json_format.ParseDict(json.loads(body), messages.ExportMetricsServiceRequest()), dict(self.headers))
        elif status == 200:
            show("protobuf", messages.ExportMetricsServiceRequest.FromString(body), dict(self.headers))
        answer = b"{}" if kind == "application/json" else b""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = grpc.server(futures.ThreadPoolExecutor(4))
service.add_MetricsServiceServicer_to_server(Metrics(), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
http = ThreadingHTTPServer(("127.0.0.1", 0), Http)
print(f"listening {port} {http.server_address[1]}", flush=True)
http.serve_forever()
