"""gRPC peers on grpcio, without generated code: all four kinds of calls, metadata, errors, deadlines and long messages.

    calls.py server FILE | calls.py client HOST:PORT
"""

import hashlib
import sys
import threading
from concurrent import futures

import grpc

SERVICE = "shop.Orders"
LONG = 3 << 20


class Service(grpc.GenericRpcHandler):
    def service(self, call):
        name = call.method.rsplit("/", 1)[1]
        kinds = {
            "One": grpc.unary_unary_rpc_method_handler(one),
            "Fails": grpc.unary_unary_rpc_method_handler(fails),
            "Hangs": grpc.unary_unary_rpc_method_handler(hangs),
            "Many": grpc.unary_stream_rpc_method_handler(many),
            "Sum": grpc.stream_unary_rpc_method_handler(total),
            "Talk": grpc.stream_stream_rpc_method_handler(talk),
        }
        return kinds.get(name)


def one(request, context):
    sent = {key: value for key, value in context.invocation_metadata()}
    context.send_initial_metadata([("x-initial", sent.get("x-sent", "none"))])
    context.set_trailing_metadata([("x-trailing-bin", b"\x00\xff")])
    return request


def fails(request, context):
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as asked: ä %")


def hangs(request, context):
    ended = threading.Event()
    context.add_callback(ended.set)
    ended.wait(20)
    return b""


def many(request, context):
    for number in range(int(request)):
        yield b"%d" % number * 1000


def total(requests, context):
    return b"%d" % sum(len(request) for request in requests)


def talk(requests, context):
    for request in requests:
        yield request.upper()


def server():
    serving = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", -1)])
    serving.add_generic_rpc_handlers((Service(),))
    port = serving.add_insecure_port("127.0.0.1:0")
    serving.start()
    print(port, file=sys.stderr, flush=True)
    serving.wait_for_termination()


def shown(message):
    return len(message), hashlib.sha256(message).hexdigest()[:16]


def client(address):
    with grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)]) as channel:
        path = lambda name: f"/{SERVICE}/{name}"
        for message in [b"", b"order", bytes(LONG)]:
            answer, call = channel.unary_unary(path("One")).with_call(message, metadata=[("x-sent", "ä".encode().hex())])
            print(shown(answer), call.initial_metadata(), call.trailing_metadata(), call.code())
        for name, timeout in [("Fails", 20), ("Missing", 20), ("Hangs", 0.5)]:
            try:
                channel.unary_unary(path(name))(b"", timeout=timeout)
            except grpc.RpcError as error:
                print(name, error.code(), error.details())
        print([shown(message) for message in channel.unary_stream(path("Many"))(b"300")][::50])
        print(channel.stream_unary(path("Sum"))(iter([bytes(size) for size in range(500)])))
        turns = channel.stream_stream(path("Talk"))
        told, answers = futures.Future(), []

        def words():
            yield b"first"
            # The second leaves when the answer to the first is here.
            yield told.result(20)

        for answer in turns(words()):
            answers.append(answer)
            if len(answers) == 1:
                told.set_result(b"second")
        print(answers)
        # Many at a time on one connection.
        calls = [channel.unary_unary(path("One")).future(b"%d" % number * number) for number in range(200)]
        print(sorted(shown(call.result()) for call in calls) == sorted(shown(b"%d" % number * number) for number in range(200)))


if sys.argv[1] == "server":
    server()
else:
    client(sys.argv[2])
