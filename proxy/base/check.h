#pragma once

#include <cstdio>
#include <cstdlib>

// For what cannot happen: always on, ends the process with the place and the condition. What
// network or environment can cause is handled and counted instead (STYLE, "Errors").
#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) [[unlikely]] {                                                     \
      std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)
