"""mosec with the network in PyTorch: raw bytes over HTTP, batches of what comes within a millisecond, the least it takes."""

import argparse
import os
import sys

import mosec

import segmenter

parser = argparse.ArgumentParser(description=__doc__)
segmenter.arguments(parser)
# Its workers import this file anew, with the same arguments.
ARGUMENTS, sys.argv[1:] = parser.parse_args(os.environ.get("PEER_ARGUMENTS", "").split() or None), []


class Segmenter(mosec.Worker):
    def __init__(self):
        super().__init__()
        self.served = segmenter.Torch(ARGUMENTS)

    def deserialize(self, data):
        return data

    def serialize(self, data):
        return data

    def forward(self, data):
        return segmenter.answers(self.served, data)


if __name__ == "__main__":
    os.environ |= {"MOSEC_ADDRESS": "127.0.0.1", "MOSEC_PORT": str(ARGUMENTS.port), "MOSEC_LOG_LEVEL": "error"}
    os.environ["MOSEC_TIMEOUT"] = "60000"
    server = mosec.Server()
    server.append_worker(
        Segmenter, num=ARGUMENTS.instances, max_batch_size=segmenter.MAX_BATCH, max_wait_time=1, timeout=60
    )
    server.run()
