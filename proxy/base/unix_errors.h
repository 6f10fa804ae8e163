#pragma once

#include <string>

namespace usher {

// The text of an errno value, thread-safe ("Permission denied").
std::string errno_text(int error);

}  // namespace usher
