#include "proxy/base/unix_errors.h"

#include <system_error>

namespace usher {

std::string errno_text(int error) {
  return std::generic_category().message(error);
}

}  // namespace usher
