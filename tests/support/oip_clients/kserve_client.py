"""KServe's own clients, InferenceGRPCClient and InferenceRESTClient, against sagate.

    python kserve_client.py GRPC_HOST:PORT HTTP_HOST:PORT FOLDER
"""

import asyncio
import logging

import grpc
import httpx
import numpy
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

from peer import arguments, done

MODEL = "tiny"
# It logs every error that it raises.
logging.disable(logging.CRITICAL)


def asks(image, binary, names=None, model=MODEL):
    tensor = InferInput("IMAGE", list(image.pixels.shape), "FP32")
    tensor.set_data_from_numpy(image.pixels, binary_data=binary)
    outputs = None if names is None else [RequestedOutput(name, {}) for name in names]
    return InferRequest(model, [tensor], request_outputs=outputs)


def check(what, image, response):
    said = {it.name: it.as_numpy() for it in response.outputs}
    image.same(
        what,
        said["MASK"].astype(numpy.uint8)[0],
        said["MU"][0, 0],
        said["DECISION"][0, 0],
        said["THRESHOLD"][0, 0],
        said["REASON"][0, 0],
    )


async def over_grpc(address, images):
    async with InferenceGRPCClient(address) as client:
        assert await client.is_server_live() and await client.is_server_ready()
        assert await client.is_model_ready(MODEL)
        for image in images:
            check("KServe, gRPC, bytes", image, await client.infer(asks(image, True)))
            check("KServe, gRPC, fields", image, await client.infer(asks(image, False)))
        done("KServe, gRPC: bytes and fields")
        some = await client.infer(asks(images[0], True, ["MU"]))
        assert [it.name for it in some.outputs] == ["MU"]
        done("KServe, gRPC: outputs by name")
        try:
            await client.infer(asks(images[0], True, model="other"))
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND, error
            done("KServe, gRPC: another model refused")


async def over_http(address, images):
    url = f"http://{address}"
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        assert await client.is_server_live(url) and await client.is_server_ready(url)
        assert await client.is_model_ready(url, MODEL)
        for image in images:
            check("KServe, HTTP, JSON", image, await client.infer(url, asks(image, False), model_name=MODEL))
            check("KServe, HTTP, bytes", image, await client.infer(url, asks(image, True), model_name=MODEL))
        done("KServe, HTTP: JSON and bytes")
        try:
            await client.infer(url, asks(images[0], False), model_name="other")
        except httpx.HTTPStatusError as error:
            assert error.response.status_code == 404, error
            done("KServe, HTTP: another model refused")


async def main():
    grpc_address, http_address, images = arguments()
    await over_grpc(grpc_address, images)
    await over_http(http_address, images)


asyncio.run(main())
