"""An OTLP/gRPC receiver of traces (grpcio and opentelemetry-proto from PyPI): one JSON line a span.

    otlp.py FILE

Prints its port.
"""

import json
import sys
from concurrent import futures

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as service

out = open(sys.argv[1], "w")


def value(attribute):
    which = attribute.value.WhichOneof("value")
    if which == "array_value":
        return [getattr(one, one.WhichOneof("value")) for one in attribute.value.array_value.values]
    return getattr(attribute.value, which) if which else None


class Receiver(service.TraceServiceServicer):
    def Export(self, request, context):
        for resource in request.resource_spans:
            about = {one.key: value(one) for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    out.write(json.dumps({
                        "resource": about,
                        "name": span.name,
                        "kind": span.kind,
                        "trace_id": span.trace_id.hex(),
                        "span_id": span.span_id.hex(),
                        "parent": span.parent_span_id.hex(),
                        "trace_state": span.trace_state,
                        "links": [link.trace_id.hex() for link in span.links],
                        "link_spans": [link.span_id.hex() for link in span.links],
                        "link_attributes": [{one.key: value(one) for one in link.attributes} for link in span.links],
                        "flags": span.flags,
                        "status": span.status.code,
                        "said": span.status.message,
                        "schema": scope.schema_url,
                        "start_ns": span.start_time_unix_nano,
                        "end_ns": span.end_time_unix_nano,
                        "attributes": {one.key: value(one) for one in span.attributes},
                        "duration_ns": span.end_time_unix_nano - span.start_time_unix_nano,
                        "metadata": dict(context.invocation_metadata()).get("lightstep-access-token"),
                    }) + "\n")
        out.flush()
        return messages.ExportTraceServiceResponse()


server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
service.add_TraceServiceServicer_to_server(Receiver(), server)
print(server.add_insecure_port("127.0.0.1:0"), file=sys.stderr, flush=True)
server.start()
server.wait_for_termination()
