"""The U-Net of Fig. 4 as an ONNX graph, written from a checkpoint of ours: padding 1, batch norm folded into the convolutions, transposed
convolutions 2x2 with stride 2, softmax over two logits or more, and the object classes' probabilities as the output."""

import json
import pathlib
import struct

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

NORM_EPSILON = 1e-5
LEVELS = 4


def read(path):
    """The tensors of a checkpoint, float32. A safetensors file is a JSON header with each tensor's place, and the bytes."""
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header, start = json.loads(data[8 : 8 + length]), 8 + length
    kinds, weights = {"F32": np.float32, "F16": np.float16}, {}
    for name, about in header.items():
        if name != "__metadata__":
            begin, end = (start + offset for offset in about["data_offsets"])
            values = np.frombuffer(data[begin:end], kinds[about["dtype"]])
            weights[name] = values.reshape(about["shape"]).astype(np.float32)
    return weights


def random_weights(base, seed=1):
    """He-initialised weights of one input channel and one class under the names of a checkpoint."""
    random = np.random.default_rng(seed)
    weights = {}

    def kernel(name, shape, inputs, gain):
        weights[name] = (random.standard_normal(shape) * np.sqrt(gain / inputs)).astype(np.float32)

    def block(name, inputs, outputs):
        for position, channels in [(1, inputs), (2, outputs)]:
            kernel(f"{name}.conv{position}.weight", (outputs, channels, 3, 3), channels * 9, 2)
            for leaf, value in [("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)]:
                weights[f"{name}.norm{position}.{leaf}"] = np.full(outputs, value, np.float32)

    width = [base << level for level in range(LEVELS + 1)]
    for level in range(LEVELS):
        block(f"encoder{level + 1}", width[level - 1] if level else 1, width[level])
    block("bottleneck", width[LEVELS - 1], width[LEVELS])
    for level in reversed(range(LEVELS)):
        kernel(f"upconv{level + 1}.weight", (width[level + 1], width[level], 2, 2), width[level + 1], 1)
        weights[f"upconv{level + 1}.bias"] = np.zeros(width[level], np.float32)
        block(f"decoder{level + 1}", 2 * width[level], width[level])
    kernel("head.weight", (2, base, 1, 1), base, 1)
    weights["head.bias"] = np.zeros(2, np.float32)
    return weights


def folded(weights, block, position):
    """The kernel and bias of `conv -> norm` as one convolution."""
    norm = {
        leaf: weights[f"{block}.norm{position}.{leaf}"].astype(np.float64)
        for leaf in ["weight", "bias", "running_mean", "running_var"]
    }
    scale = norm["weight"] / np.sqrt(norm["running_var"] + NORM_EPSILON)
    kernel = weights[f"{block}.conv{position}.weight"].astype(np.float64) * scale[:, None, None, None]
    return kernel.astype(np.float32), (norm["bias"] - norm["running_mean"] * scale).astype(np.float32)


class Writer:
    """Collects nodes and initialisers."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def add(self, operator, inputs, output, **attributes):
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def convolution(self, x, name, kernel, bias, operator="Conv", **attributes):
        inputs = [x, self.constant(f"{name}.kernel", kernel), self.constant(f"{name}.bias", bias)]
        return self.add(operator, inputs, name, **attributes)

    def block(self, x, weights, name):
        """Two convolutions with their ReLUs, and the names of both taps."""
        taps = []
        for position in [1, 2]:
            kernel, bias = folded(weights, name, position)
            x = self.convolution(x, f"{name}.{position}.conv", kernel, bias, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
            x = self.add("Relu", [x], f"{name}.{position}")
            taps.append(x)
        return x, taps


def unet(weights, taps=False):
    """A serialised model: `image` [B, C, H, W] float32 in, `probability` [B, K, H, W] out; with `taps` also `tap17` and `tap18`."""
    base, channels = weights["encoder1.conv1.weight"].shape[:2]
    classes = weights["head.weight"].shape[0] - 1
    graph, skips, x = Writer(), [], "image"
    for level in range(1, LEVELS + 1):
        x, _ = graph.block(x, weights, f"encoder{level}")
        skips.append(x)
        x = graph.add("MaxPool", [x], f"pool{level}", kernel_shape=[2, 2], strides=[2, 2])
    x, _ = graph.block(x, weights, "bottleneck")
    for level in reversed(range(1, LEVELS + 1)):
        name = f"upconv{level}"
        up = [weights[f"{name}.{leaf}"].astype(np.float32) for leaf in ["weight", "bias"]]
        x = graph.convolution(x, name, *up, operator="ConvTranspose", kernel_shape=[2, 2], strides=[2, 2])
        x = graph.add("Concat", [x, skips[level - 1]], f"join{level}", axis=1)
        x, last = graph.block(x, weights, f"decoder{level}")
    head = [weights[f"head.{leaf}"].astype(np.float32) for leaf in ["weight", "bias"]]
    x = graph.convolution(x, "logits", *head, kernel_shape=[1, 1])
    x = graph.add("Softmax", [x], "shares", axis=1)
    ends = [graph.constant(f"slice.{name}", np.array([value])) for name, value in [("from", 1), ("to", classes + 1), ("axis", 1)]]
    graph.add("Slice", [x, *ends], "probability")
    outputs = [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["B", int(classes), "H", "W"])]
    if taps:
        for name, tap in zip(["tap17", "tap18"], last):
            graph.add("Identity", [tap], name)
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", int(base), "H", "W"]))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["B", int(channels), "H", "W"])
    made = helper.make_graph(graph.nodes, "unet", [image], outputs, graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()
