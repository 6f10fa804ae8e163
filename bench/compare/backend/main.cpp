// bench_backend: what stands behind every proxy of the comparison. Prints its port, then serves.

#include <cstdio>

#include "backend/http_backend.h"
#include "socket.h"

int main() {
  usher::bench::HttpBackend backend;
  fmt::print("{}\n", backend.port());
  std::fflush(stdout);
  backend.run();
}
