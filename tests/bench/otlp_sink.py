#!/usr/bin/env python3
"""An OTLP/gRPC receiver that takes every export and looks into none: what spans cost is then the sender's cost.

    otlp_sink.py PORT
"""

import sys
from concurrent import futures

import grpc

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class Sink(grpc.GenericRpcHandler):
    def service(self, call):
        if call.method != EXPORT:
            return None
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")


server = grpc.server(futures.ThreadPoolExecutor(max_workers=2), handlers=(Sink(),),
                     options=[("grpc.max_receive_message_length", 64 << 20)])
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
server.wait_for_termination()
