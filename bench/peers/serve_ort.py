"""ONNX Runtime behind a minimal gRPC server: one method, raw bytes in and out, a thread an instance, no batching."""

import argparse
import concurrent.futures
import threading

import grpc

import segmenter


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    segmenter.arguments(parser)
    arguments = parser.parse_args()
    served = segmenter.Onnx(arguments)
    segment = grpc.unary_unary_rpc_method_handler(lambda body, _: segmenter.answers(served, [body])[0])
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(arguments.instances))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("peer.Segmenter", {"Segment": segment})])
    server.add_insecure_port(f"127.0.0.1:{arguments.port}")
    server.start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
