"""LitServe with the network in PyTorch: raw bytes over HTTP, batches of what waits."""

import argparse
from typing import Annotated

import litserve
from fastapi import Body, Response

import segmenter


class Segmenter(litserve.LitAPI):
    def __init__(self, arguments):
        super().__init__(max_batch_size=segmenter.MAX_BATCH, batch_timeout=0.0)
        self.arguments = arguments

    def setup(self, device):
        self.served = segmenter.Torch(self.arguments)

    def decode_request(self, request: Annotated[bytes, Body(media_type="application/octet-stream")]):
        return request

    def batch(self, inputs):
        return inputs

    def predict(self, bodies):
        return segmenter.answers(self.served, bodies)

    def unbatch(self, output):
        return output

    def encode_response(self, output) -> Response:
        return Response(output, media_type="application/octet-stream")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    segmenter.arguments(parser)
    arguments = parser.parse_args()
    server = litserve.LitServer(Segmenter(arguments), accelerator="cpu", workers_per_device=arguments.instances)
    server.run(host="127.0.0.1", port=arguments.port, generate_client_file=False, log_level="warning")
