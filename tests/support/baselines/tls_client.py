"""A client in Python's gRPC, which has a TLS of its own: asks for the models and prints the length of the answer, or the code and message.

    tls_client.py HOST:PORT CA [CERT KEY] [--token TOKEN]
"""

import sys

import grpc


def read(path):
    with open(path, "rb") as file:
        return file.read()


arguments = sys.argv[1:]
metadata = []
if "--token" in arguments:
    at = arguments.index("--token")
    metadata = [("authorization", f"Bearer {arguments[at + 1]}")]
    del arguments[at : at + 2]
server, ca, *identity = arguments
cert, key = (read(path) for path in identity) if identity else (None, None)
credentials = grpc.ssl_channel_credentials(read(ca), key, cert)
with grpc.secure_channel(server, credentials) as channel:
    # An empty message is a whole one of this type; so no stubs are needed.
    ask = channel.unary_unary("/sagate.v1.QualityControl/ListModels")
    try:
        print("answered", len(ask(b"", timeout=30, metadata=metadata)))
    except grpc.RpcError as error:
        print(error.code().name, error.details())
