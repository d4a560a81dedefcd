"""A client in Python: sends an image and prints the decision, then sends several as a stream.

    pip install -r examples/python/requirements.txt
    sagate serve &
    python examples/python/client.py 127.0.0.1:50051 samples/t1-brain/images/*.png

The stubs are generated from proto/ at each start. A program for production generates them once:

    python -m grpc_tools.protoc -I proto --python_out=. --grpc_python_out=. proto/sagate/v1/*.proto
"""

import pathlib
import sys
import tempfile

import grpc
from grpc_tools import protoc

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"


def make_stubs():
    """Generates the stubs in a temporary folder, and imports them."""
    folder = tempfile.TemporaryDirectory()
    files = sorted(str(path) for path in (PROTO / "sagate" / "v1").glob("*.proto"))
    arguments = ["protoc", f"-I{PROTO}", f"--python_out={folder.name}", f"--grpc_python_out={folder.name}"]
    if protoc.main(arguments + files) != 0:
        raise SystemExit(f"the stubs cannot be generated from {PROTO}")
    sys.path.insert(0, folder.name)
    from sagate.v1 import quality_control_pb2, quality_control_pb2_grpc, segmentation_pb2

    return folder, quality_control_pb2, quality_control_pb2_grpc, segmentation_pb2


def main(server, paths):
    _folder, messages, services, segmentation = make_stubs()

    def request(path):
        # The server detects the file format. Without options: the default model, the gate's settings, no mask.
        ask = messages.SegmentRequest(request_id=pathlib.Path(path).name)
        ask.image.file.data = pathlib.Path(path).read_bytes()
        return ask

    def print_result(name, answer):
        # Everything but ACCEPT needs review by a person.
        verdict = "ACCEPT" if answer.decision == segmentation.DECISION_ACCEPT else "REJECT"
        reasons = [segmentation.Reason.Name(reason).removeprefix("REASON_") for reason in answer.reasons]
        confidence = f"soft Dice confidence {answer.soft_dice_confidence:.6f} object confidence {answer.object_confidence:.6f}"
        print(name, verdict, f"mu {answer.mu:.6f}", confidence, *reasons)

    unlimited = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(server, options=unlimited) as channel:
        client = services.QualityControlStub(channel)
        print_result("one:", client.Segment(request(paths[0]), timeout=60).segmentation)

        # Answers come in order of completion, matched by id. A failed image does not end the stream.
        stream = (messages.SegmentStreamRequest(request=request(path)) for path in paths)
        for answer in client.SegmentStream(stream, timeout=60):
            if answer.WhichOneof("outcome") == "failure":
                print(answer.request_id, "failed:", answer.failure.message)
            else:
                print_result(answer.request_id, answer.segmentation)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(f"usage: {sys.argv[0]} HOST:PORT IMAGE...")
    try:
        main(sys.argv[1], sys.argv[2:])
    except grpc.RpcError as error:
        raise SystemExit(f"{error.code().name}: {error.details()}")
