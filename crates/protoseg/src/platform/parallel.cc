// libtorch's intra-op thread pool for the native kernels: a second pool would oversubscribe the cores.
#include <ATen/Parallel.h>

extern "C" void sagate_parallel_for(int64_t tasks, void (*body)(void *, int64_t, int64_t), void *context) {
  at::parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) { body(context, begin, end); });
}
