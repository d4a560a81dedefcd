// A hook that adds a low-rank product to the gradient of a tensor; tch does not bind hooks.
#include <ATen/core/Tensor.h>
#include <ATen/ops/baddbmm.h>

#include <cstring>
#include <exception>

extern "C" {

// When the gradient [B, C, *s] of `x` is known, adds the product of `positions` [B, n, R] and `channels` [B, R, C] to it, n being the
// product of *s. Both live as long as the graph.
void sagate_add_to_gradient(const at::Tensor *x, const at::Tensor *positions, const at::Tensor *channels, char **error) {
  try {
    x->register_hook([positions = *positions, channels = *channels](const at::Tensor &gradient) -> at::Tensor {
      std::vector<int64_t> last(gradient.dim()), first(gradient.dim());
      for (int64_t i = 0; i < gradient.dim(); i++) {
        last[i] = i == 0 ? 0 : i + 1 < gradient.dim() ? i + 1 : 1;
        first[last[i]] = i;
      }
      at::Tensor laid = gradient.permute(last);
      at::Tensor flat = laid.reshape({gradient.size(0), -1, gradient.size(1)});
      return at::baddbmm(flat, positions, channels).view(laid.sizes()).permute(first);
    });
  } catch (const std::exception &e) {
    *error = strdup(e.what());
  }
}
}
