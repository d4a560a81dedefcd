"""BentoML with the network in PyTorch: its own JSON over HTTP with the bytes in base64, adaptive batching. (Raw bytes it takes only as a file,
which it writes to disk, and without batching.)"""

import argparse
import base64
import os

# Before it is imported: nothing is sent anywhere.
os.environ["BENTOML_DO_NOT_TRACK"] = "True"

import bentoml

import segmenter

parser = argparse.ArgumentParser(description=__doc__)
segmenter.arguments(parser)
# Its workers import this file under another command line.
ARGUMENTS = parser.parse_args(os.environ["PEER_ARGUMENTS"].split())


@bentoml.service(workers=ARGUMENTS.instances, traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Segmenter:
    def __init__(self):
        self.served = segmenter.Torch(ARGUMENTS)

    @bentoml.api(batchable=True, max_batch_size=segmenter.MAX_BATCH, max_latency_ms=60000)
    def segment(self, images: list[str]) -> list[str]:
        answers = segmenter.answers(self.served, [base64.b64decode(image) for image in images])
        return [base64.b64encode(answer).decode() for answer in answers]


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = os.path.dirname(os.path.abspath(__file__))
    command = ["bentoml", "serve", "serve_bentoml:Segmenter", "--host", "127.0.0.1", "--port", str(ARGUMENTS.port)]
    os.chdir(os.environ["PYTHONPATH"])
    os.execvp(command[0], command)
