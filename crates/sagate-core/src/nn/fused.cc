// oneDNN's convolution fused with its ReLU, through libtorch's dispatcher: operators that tch does not bind.
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>

#include <cstring>
#include <exception>

namespace {

at::Tensor call(const char *name, torch::jit::Stack stack, const char *overload = "") {
  auto handle = c10::Dispatcher::singleton().findSchemaOrThrow(name, overload);
  handle.callBoxed(stack);
  return stack.at(0).toTensor();
}

template <class F>
at::Tensor *caught(char **error, F make) {
  try {
    at::NoGradGuard no_grad;
    return new at::Tensor(make());
  } catch (const std::exception &e) {
    *error = strdup(e.what());
    return nullptr;
  }
}

c10::IValue optional_tensor(const at::Tensor *tensor) {
  return tensor ? c10::IValue(*tensor) : c10::IValue();
}

} // namespace

extern "C" {

// The weight [out, in, k, k], or [in, out, k, k] of a transposed convolution, in the memory format that oneDNN selects for inputs of the
// given size [B, in, H, W].
at::Tensor *sagate_reorder_weight(const at::Tensor *weight, bool transposed, int64_t padding, int64_t stride,
                                  const int64_t *input_size, char **error) {
  return caught(error, [&] {
    std::vector<int64_t> paddings(2, padding), strides(2, stride), zeros(2, 0), ones(2, 1), size(input_size, input_size + 4);
    if (transposed) {
      return call("mkldnn::_reorder_convolution_transpose_weight",
                  {*weight, paddings, zeros, strides, ones, int64_t(1), c10::IValue(size)});
    }
    return call("mkldnn::_reorder_convolution_weight", {*weight, paddings, strides, ones, int64_t(1), c10::IValue(size)});
  });
}

// Bytes that identify the memory format of a reordered weight.
at::Tensor *sagate_order(const at::Tensor *weight, char **error) {
  return caught(error, [&] { return call("mkldnn::_get_mkldnn_serialized_md", {*weight}); });
}

// relu(conv2d(x, weight) + bias), or without the ReLU; stride and dilation 1. `weight` as reordered.
at::Tensor *sagate_convolution(const at::Tensor *x, const at::Tensor *weight, const at::Tensor *bias, int64_t padding,
                               bool relu, char **error) {
  return caught(error, [&] {
    std::vector<int64_t> pair_padding(2, padding), ones(2, 1);
    return call("mkldnn::_convolution_pointwise",
                {*x, *weight, optional_tensor(bias), pair_padding, ones, ones, int64_t(1),
                 std::string(relu ? "relu" : "none"), c10::List<std::optional<at::Scalar>>(), c10::IValue()});
  });
}

// conv_transpose2d(x, weight) + bias, dilation 1, nothing added to the output's size. `weight` as reordered.
at::Tensor *sagate_transposed_convolution(const at::Tensor *x, const at::Tensor *weight, const at::Tensor *bias, int64_t padding,
                                          int64_t stride, char **error) {
  return caught(error, [&] {
    std::vector<int64_t> paddings(2, padding), strides(2, stride), zeros(2, 0), ones(2, 1);
    return call("mkldnn::_convolution_transpose_pointwise",
                {*x, *weight, *bias, paddings, zeros, strides, ones, int64_t(1), std::string("none"),
                 c10::List<std::optional<at::Scalar>>(), c10::IValue()});
  });
}

// relu(sum + conv2d(x, weight)), written into `sum`.
at::Tensor *sagate_convolution_onto(const at::Tensor *sum, const at::Tensor *x, const at::Tensor *weight, int64_t padding,
                                    char **error) {
  return caught(error, [&] {
    std::vector<int64_t> pair_padding(2, padding), ones(2, 1);
    return call("mkldnn::_convolution_pointwise_",
                {*sum, *x, *weight, c10::IValue(), pair_padding, ones, ones, int64_t(1), std::string("add"), at::Scalar(1.0),
                 std::string("relu"), c10::List<std::optional<at::Scalar>>(), c10::IValue()},
                "binary");
  });
}
}
