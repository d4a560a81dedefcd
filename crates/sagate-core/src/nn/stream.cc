// Streams of a GPU through libtorch's own interface for devices, so that nothing of CUDA is needed to build this.
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

// Waits until everything that the calling thread's stream was given is done. Null, or a message from malloc.
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
