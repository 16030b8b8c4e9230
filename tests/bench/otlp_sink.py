#!/usr/bin/env python3
"""An OTLP receiver that takes every export and looks into none: what spans cost is then the sender's cost.

    otlp_sink.py PORT [http]
"""

import sys
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def over_grpc(port):
    import grpc

    class Sink(grpc.GenericRpcHandler):
        def service(self, call):
            if call.method != EXPORT:
                return None
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2), handlers=(Sink(),),
                         options=[("grpc.max_receive_message_length", 64 << 20)])
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


if sys.argv[2:] == ["http"]:
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
else:
    over_grpc(sys.argv[1])
