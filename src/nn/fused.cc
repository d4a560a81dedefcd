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

// The weight [out, in, k, k] in the order that oneDNN likes best for inputs of the given size [B, in, H, W].
at::Tensor *sagate_reorder_weight(const at::Tensor *weight, int64_t padding, const int64_t *input_size, char **error) {
  return caught(error, [&] {
    std::vector<int64_t> pair_padding(2, padding), ones(2, 1), size(input_size, input_size + 4);
    return call("mkldnn::_reorder_convolution_weight",
                {*weight, pair_padding, ones, ones, int64_t(1), c10::IValue(size)});
  });
}

// relu(conv2d(x, weight) + bias), or without the ReLU; stride and dilation 1. `weight` as reordered or plain.
at::Tensor *sagate_convolution(const at::Tensor *x, const at::Tensor *weight, const at::Tensor *bias, int64_t padding,
                               bool relu, char **error) {
  return caught(error, [&] {
    std::vector<int64_t> pair_padding(2, padding), ones(2, 1);
    return call("mkldnn::_convolution_pointwise",
                {*x, *weight, optional_tensor(bias), pair_padding, ones, ones, int64_t(1),
                 std::string(relu ? "relu" : "none"), c10::List<std::optional<at::Scalar>>(), c10::IValue()});
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
