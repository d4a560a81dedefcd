"""NVIDIA Triton's own client against sagate: gRPC and HTTP, each blocking, asynchronous and (gRPC) streaming.

    python triton.py GRPC_HOST:PORT HTTP_HOST:PORT FOLDER
"""

import asyncio
import base64
import queue

import numpy
import tritonclient.grpc as grpcclient
import tritonclient.grpc.aio as grpcaio
import tritonclient.http as httpclient
import tritonclient.http.aio as httpaio
from tritonclient.utils import InferenceServerException

from peer import arguments, done

MODEL = "tiny"


def pixels(module, image, **how):
    shape = list(image.pixels.shape)
    tensor = module.InferInput("IMAGE", shape, "FP32")
    tensor.set_data_from_numpy(image.pixels, **how)
    return [tensor]


def file(module, content, **how):
    tensor = module.InferInput("IMAGE_FILE", [1], "BYTES")
    tensor.set_data_from_numpy(numpy.array([content], dtype=numpy.object_), **how)
    return [tensor]


def check(what, image, result):
    said = {name: result.as_numpy(name) for name in ("MASK", "MU", "DECISION", "THRESHOLD", "REASON")}
    image.same(
        what,
        said["MASK"][0],
        said["MU"][0, 0],
        said["DECISION"][0, 0],
        said["THRESHOLD"][0, 0],
        said["REASON"][0, 0],
    )


def check_metadata(what, client, as_json):
    """Whatever a client may ask about server and models."""
    more = {} if as_json else {"as_json": True}
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready(MODEL) and client.is_model_ready(MODEL, "1")
    assert client.get_server_metadata(**more)["name"] == "sagate"
    metadata = client.get_model_metadata(MODEL, **more)
    assert metadata["versions"] == ["1"], metadata
    assert [it["name"] for it in metadata["inputs"]] == ["IMAGE", "IMAGE_FILE"], metadata
    assert "SAM_18" in [it["name"] for it in metadata["outputs"]], metadata
    config = client.get_model_config(MODEL, **more)
    config = config if as_json else config["config"]
    assert config["name"] == MODEL and config["max_batch_size"] == 64, config
    index = client.get_model_repository_index(**more)
    index = index if as_json else index["models"]
    assert [(it["name"], it["state"]) for it in index] == [(MODEL, "READY")], index
    counts = client.get_inference_statistics(MODEL, **more)["model_stats"][0]
    assert int(counts["inference_count"]) >= 1 and int(counts["execution_count"]) >= 1, counts
    done(f"{what}: server and models")


def refused(what, status, words, call):
    try:
        call()
    except InferenceServerException as error:
        assert error.status() == status, (what, error.status(), error.message())
        assert all(word in error.message() for word in words), (what, error.message())
        done(f"{what}: refused with {status}")
    else:
        raise AssertionError(f"{what}: not refused")


def batch(module, client, images, **how):
    """All images of one size in one request, with every kind of output."""
    stack = numpy.stack([it.pixels for it in images])[:, None]
    tensor = module.InferInput("IMAGE", list(stack.shape), "FP32")
    tensor.set_data_from_numpy(stack)
    names = ["MASK", "MU", "PROBABILITY", "SAM_18", "LAYER_SA"]
    outputs = [module.InferRequestedOutput(name, **how) for name in names]
    result = client.infer(MODEL, [tensor], outputs=outputs)
    for index, image in enumerate(images):
        image.same("batch", result.as_numpy("MASK")[index], result.as_numpy("MU")[index, 0])
    count, size = len(images), images[0].pixels.shape
    assert result.as_numpy("PROBABILITY").shape == (count, 2, *size)
    assert result.as_numpy("PROBABILITY").dtype == numpy.float32
    assert result.as_numpy("SAM_18").shape == (count, *size)
    assert result.as_numpy("LAYER_SA").shape == (count, 18)


def grpc_blocking(address, images):
    client = grpcclient.InferenceServerClient(address)
    for image in images:
        result = client.infer(MODEL, pixels(grpcclient, image), request_id="r-1", client_timeout=60)
        check("gRPC", image, result)
        assert result.get_response().id == "r-1" and result.get_response().model_version == "1"
        check("gRPC, a file", image, client.infer(MODEL, file(grpcclient, image.png)))
        packed = client.infer(MODEL, pixels(grpcclient, image), compression_algorithm="gzip")
        check("gRPC, packed", image, packed)
    done("gRPC: pixels, files, packed")
    batch(grpcclient, client, images)
    done("gRPC: a batch, every output")
    strict = client.infer(MODEL, pixels(grpcclient, images[0]), parameters={"coverage": 0.0})
    assert strict.as_numpy("DECISION")[0, 0] == b"REJECT" and strict.as_numpy("THRESHOLD")[0, 0] == numpy.inf
    done("gRPC: the gate as asked")
    check_metadata("gRPC", client, as_json=False)
    inputs = pixels(grpcclient, images[0])
    refused("gRPC, another model", "StatusCode.NOT_FOUND", ["other"], lambda: client.infer("other", inputs))
    refused(
        "gRPC, another output",
        "StatusCode.INVALID_ARGUMENT",
        ["`X`", "MASK"],
        lambda: client.infer(MODEL, inputs, outputs=[grpcclient.InferRequestedOutput("X")]),
    )
    refused("gRPC, no picture", "StatusCode.INVALID_ARGUMENT", ["image"], lambda: client.infer(MODEL, file(grpcclient, b"no")))
    refused("gRPC, out of time", "StatusCode.DEADLINE_EXCEEDED", ["deadline"], lambda: client.infer(MODEL, inputs, timeout=1))
    refused("gRPC, load", "StatusCode.UNIMPLEMENTED", ["loaded"], lambda: client.load_model(MODEL))
    refused("gRPC, shared memory", "StatusCode.UNIMPLEMENTED", [], client.get_system_shared_memory_status)
    client.close()


def grpc_callbacks(address, images):
    client = grpcclient.InferenceServerClient(address)
    answers = queue.Queue()
    for image in images:
        on_answer = lambda result, error, image=image: answers.put((image, result, error))
        client.async_infer(MODEL, pixels(grpcclient, image), callback=on_answer)
    for _ in images:
        image, result, error = answers.get(timeout=60)
        assert error is None, error
        check("gRPC, callbacks", image, result)
    done("gRPC: callbacks")

    client.start_stream(callback=lambda result, error: answers.put((result, error)))
    for image in images:
        client.async_stream_infer(MODEL, pixels(grpcclient, image))
    client.async_stream_infer(MODEL, file(grpcclient, b"no"))
    client.async_stream_infer(MODEL, pixels(grpcclient, images[0]), enable_empty_final_response=True)
    for image in images:
        result, error = answers.get(timeout=60)
        assert error is None, error
        check("gRPC, stream", image, result)
    result, error = answers.get(timeout=60)
    assert result is None and "image" in error.message(), (result, error)
    result, error = answers.get(timeout=60)
    check("gRPC, stream after an error", images[0], result)
    assert result.get_response().parameters["triton_final_response"].bool_param
    client.stop_stream()
    client.close()
    done("gRPC: a stream, in order, on after an error")


async def grpc_asyncio(address, images):
    async with grpcaio.InferenceServerClient(address) as client:
        results = await asyncio.gather(*(client.infer(MODEL, pixels(grpcaio, it)) for it in images))
        for image, result in zip(images, results):
            check("gRPC, asyncio", image, result)
        done("gRPC: asyncio")

        async def requests():
            for image in images:
                yield {"model_name": MODEL, "inputs": pixels(grpcaio, image)}

        left = list(images)
        async for result, error in client.stream_infer(requests()):
            assert error is None, error
            check("gRPC, asyncio, stream", left.pop(0), result)
        assert not left
        done("gRPC: asyncio, a stream")


def in_json(names=("MASK", "MU", "DECISION", "THRESHOLD", "REASON")):
    return [httpclient.InferRequestedOutput(name, binary_data=False) for name in names]


def http_blocking(address, images):
    client = httpclient.InferenceServerClient(address, concurrency=4)
    for image in images:
        result = client.infer(MODEL, pixels(httpclient, image), request_id="r-2")
        check("HTTP, bytes", image, result)
        assert result.get_response()["id"] == "r-2" and result.get_response()["model_version"] == "1"
        mixed = client.infer(MODEL, pixels(httpclient, image, binary_data=False))
        check("HTTP, JSON in, bytes out", image, mixed)
        plain = client.infer(MODEL, pixels(httpclient, image, binary_data=False), outputs=in_json())
        check("HTTP, JSON", image, plain)
        check("HTTP, bytes in, JSON out", image, client.infer(MODEL, pixels(httpclient, image), outputs=in_json()))
        check("HTTP, a file", image, client.infer(MODEL, file(httpclient, image.png)))
        text = base64.b64encode(image.png)
        check("HTTP, a file in JSON", image, client.infer(MODEL, file(httpclient, text, binary_data=False)))
    done("HTTP: bytes, JSON and both, pixels and files")
    batch(httpclient, client, images, binary_data=True)
    batch(httpclient, client, images, binary_data=False)
    done("HTTP: a batch, every output, as bytes and as JSON")
    for asked, threshold in ((0.0, numpy.inf), (1.0, -numpy.inf)):
        outputs = in_json(["THRESHOLD"])
        result = client.infer(MODEL, pixels(httpclient, images[0]), outputs=outputs, parameters={"coverage": asked})
        assert result.as_numpy("THRESHOLD")[0, 0] == threshold
    done("HTTP: the gate as asked, what JSON has no number for")
    check_metadata("HTTP", client, as_json=True)
    answers = [client.async_infer(MODEL, pixels(httpclient, it)) for it in images]
    for image, answer in zip(images, answers):
        check("HTTP, in flight together", image, answer.get_result())
    done("HTTP: in flight together")
    inputs = pixels(httpclient, images[0])
    assert not client.is_model_ready("other")
    refused("HTTP, another model", "404", ["other"], lambda: client.infer("other", inputs))
    wrong = [httpclient.InferRequestedOutput("X")]
    refused("HTTP, another output", "400", ["`X`", "MASK"], lambda: client.infer(MODEL, inputs, outputs=wrong))
    refused("HTTP, no picture", "400", ["image"], lambda: client.infer(MODEL, file(httpclient, b"no")))
    refused("HTTP, out of time", "504", ["deadline"], lambda: client.infer(MODEL, inputs, timeout=1))
    refused("HTTP, load", "501", ["loaded"], lambda: client.load_model(MODEL))
    packed = lambda: client.infer(MODEL, inputs, request_compression_algorithm="gzip")
    refused("HTTP, packed", "415", ["content-encoding"], packed)
    client.close()


async def http_asyncio(address, images):
    async with httpaio.InferenceServerClient(address) as client:
        assert await client.is_server_ready()
        results = await asyncio.gather(*(client.infer(MODEL, pixels(httpaio, it)) for it in images))
        for image, result in zip(images, results):
            check("HTTP, asyncio", image, result)
        done("HTTP: asyncio")


def main():
    grpc, http, images = arguments()
    grpc_blocking(grpc, images)
    grpc_callbacks(grpc, images)
    asyncio.run(grpc_asyncio(grpc, images))
    http_blocking(http, images)
    asyncio.run(http_asyncio(http, images))


main()
