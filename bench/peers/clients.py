"""One lightweight client per protocol; requests are prepared once. `ask(n)` sends image n and returns mu and the mask."""

import base64
import pathlib
import struct
import sys
import tempfile

import aiohttp
import grpc
import numpy as np
from grpc_tools import protoc
from tritonclient.grpc import service_pb2 as oip

from settings import ROOT

TIMEOUT = 60
UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


def sagate_messages():
    """Generates the messages of `proto/`."""
    folder = tempfile.mkdtemp(prefix="sagate-proto-")
    files = sorted(str(path) for path in (ROOT / "proto" / "sagate" / "v1").glob("*.proto"))
    if protoc.main(["protoc", f"-I{ROOT / 'proto'}", f"--python_out={folder}", *files]) != 0:
        raise SystemExit("the messages cannot be made from proto/")
    sys.path.insert(0, folder)
    from sagate.v1 import image_pb2, quality_control_pb2

    return image_pb2, quality_control_pb2


class Grpc:
    """Unary calls with raw bytes: what they hold is made and read by the subclasses."""

    method = ""

    def __init__(self, port, images):
        self.bodies = [self.request(image) for image in images]
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=UNLIMITED)
        self.call = self.channel.unary_unary(self.method)

    async def ask(self, number):
        return self.read(await self.call(self.bodies[number], timeout=TIMEOUT))

    async def close(self):
        await self.channel.close()


class Sagate(Grpc):
    method = "/sagate.v1.QualityControl/Segment"

    def __init__(self, port, images):
        self.image, self.messages = sagate_messages()
        super().__init__(port, images)

    def request(self, image):
        ask = self.messages.SegmentRequest()
        ask.options.mask_format = self.image.MASK_FORMAT_BITS
        tensor = ask.image.tensor
        tensor.data_type, tensor.data = self.image.DATA_TYPE_FLOAT32, image.tobytes()
        tensor.shape.extend(image.shape)
        return ask.SerializeToString()

    def read(self, body):
        answer = self.messages.SegmentResponse.FromString(body).segmentation
        return answer.mu, answer.mask.data[0]


class Triton(Grpc):
    method = "/inference.GRPCInferenceService/ModelInfer"

    def request(self, image):
        ask = oip.ModelInferRequest(model_name="unet", raw_input_contents=[image.tobytes()])
        ask.inputs.add(name="IMAGE", datatype="FP32", shape=[1, *image.shape])
        return ask.SerializeToString()

    def read(self, body):
        answer = oip.ModelInferResponse.FromString(body)
        found = {output.name: raw for output, raw in zip(answer.outputs, answer.raw_output_contents)}
        return struct.unpack("<d", found["MU"])[0], found["MASK"]


class Minimal(Grpc):
    method = "/peer.Segmenter/Segment"

    def request(self, image):
        return image.tobytes()

    def read(self, body):
        return read_answer(body)


class Http:
    """POST of raw bytes."""

    path, headers = "", {"Content-Type": "application/octet-stream"}

    def __init__(self, port, images):
        self.url = f"http://127.0.0.1:{port}{self.path}"
        self.bodies = [self.request(image) for image in images]
        self.session = aiohttp.ClientSession(headers=self.headers, timeout=aiohttp.ClientTimeout(TIMEOUT))

    def request(self, image):
        return image.tobytes()

    async def ask(self, number):
        async with self.session.post(self.url, data=self.bodies[number]) as answer:
            answer.raise_for_status()
            return self.read(await answer.read())

    def read(self, body):
        return read_answer(body)

    async def close(self):
        await self.session.close()


class LitServe(Http):
    path = "/predict"


class Mosec(Http):
    path = "/inference"


class BentoML(Http):
    path, headers = "/segment", {"Content-Type": "application/json"}

    def request(self, image):
        return b'{"images":["' + base64.b64encode(image.tobytes()) + b'"]}'

    def read(self, body):
        return read_answer(base64.b64decode(body[2:-2]))


def read_answer(body):
    return struct.unpack_from("<d", body)[0], body[8:]


CLIENTS = {"sagate": Sagate, "triton": Triton, "ort": Minimal, "litserve": LitServe, "mosec": Mosec, "bentoml": BentoML}


def pixels(mask):
    """The mask as booleans."""
    return np.unpackbits(np.frombuffer(mask, np.uint8)).astype(bool)
