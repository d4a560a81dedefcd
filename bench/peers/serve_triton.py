"""NVIDIA Triton with the network in PyTorch, through PyTriton: Open Inference Protocol over gRPC, dynamic batching."""

import argparse

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

import segmenter


def inference(arguments):
    served = segmenter.Torch(arguments)

    @batch
    def infer(IMAGE):
        masks, mus = served.masks_and_mus(IMAGE)
        bits = np.packbits(masks.reshape(len(masks), -1), axis=1)
        return {"MASK": bits, "MU": np.array(mus, np.float64)[:, None]}

    return infer


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    segmenter.arguments(parser)
    arguments = parser.parse_args()
    config = TritonConfig(
        grpc_address="127.0.0.1",
        http_address="127.0.0.1",
        grpc_port=arguments.port,
        http_port=arguments.port + 1,
        allow_metrics=False,
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name="unet",
            infer_func=[inference(arguments) for _ in range(arguments.instances)],
            inputs=[Tensor(name="IMAGE", dtype=np.float32, shape=(1, segmenter.SIDE, segmenter.SIDE))],
            outputs=[
                Tensor(name="MASK", dtype=np.uint8, shape=(segmenter.MASK_BYTES,)),
                Tensor(name="MU", dtype=np.float64, shape=(1,)),
            ],
            config=ModelConfig(max_batch_size=segmenter.MAX_BATCH, batcher=DynamicBatcher()),
        )
        triton.serve()


if __name__ == "__main__":
    main()
