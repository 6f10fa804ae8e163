#pragma once

#include <uv.h>

#include <memory>
#include <utility>

#include "proxy/base/check.h"
#include "proxy/uv/loop.h"

// Internal to proxy/uv: includes <uv.h>.
namespace usher::uv {

// A libuv handle's memory: made open, given to uv_close once, freed in the close callback. `data`
// is cleared at close(), so a callback that libuv had already queued finds nobody.
template <class T>
class Handle {
 public:
  static T* make() { return new T{}; }
  // After a failed init: libuv does not know it.
  static void discard(T* handle) { std::unique_ptr<T>(handle).reset(); }
  static void close(T*& handle) {
    if (handle == nullptr) {
      return;
    }
    handle->data = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(handle, nullptr)),
             [](uv_handle_t* closed) { std::unique_ptr<T>(reinterpret_cast<T*>(closed)).reset(); });
  }
};

}  // namespace usher::uv
