#include "proxy/http/message.h"

namespace usher::http {

void RequestHead::clear() {
  auto kept = std::move(fields);
  kept.clear();
  *this = RequestHead();
  fields = std::move(kept);
}

void ResponseHead::clear() {
  auto kept = std::move(fields);
  kept.clear();
  *this = ResponseHead();
  fields = std::move(kept);
}

bool is_idempotent(Method method) {
  switch (method) {
    case Method::kGet:
    case Method::kHead:
    case Method::kPut:
    case Method::kDelete:
    case Method::kOptions:
    case Method::kTrace:
      return true;
    default:
      return false;
  }
}

}  // namespace usher::http
