// GPU streams through libtorch's device-independent interface, so that building this does not need CUDA.
#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstring>
#include <exception>

extern "C" {

// Gives the calling thread a stream of its own on a CUDA device. Null, or a message from malloc.
char *sagate_use_own_stream(int8_t index) {
  try {
    c10::impl::VirtualGuardImpl guard(c10::DeviceType::CUDA);
    c10::Device device(c10::DeviceType::CUDA, index);
    guard.setDevice(device);
    guard.exchangeStream(guard.getStreamFromGlobalPool(device, false));
    return nullptr;
  } catch (const std::exception &e) {
    return strdup(e.what());
  }
}

// Synchronises the calling thread's stream. Null, or a message from malloc.
char *sagate_finish_stream(int8_t index) {
  try {
    c10::impl::VirtualGuardImpl guard(c10::DeviceType::CUDA);
    guard.getStream(c10::Device(c10::DeviceType::CUDA, index)).synchronize();
    return nullptr;
  } catch (const std::exception &e) {
    return strdup(e.what());
  }
}
}
