#pragma once

#include <cstdint>

// What a daemon asks of its own process; usher and usher-keyd alike. Thread: main.
namespace usher {

// Raises RLIMIT_NOFILE to its hard limit; returns the number of descriptors that are now allowed.
std::uint64_t raise_descriptor_limit();

// Signals that come while files are read and workers are made wait until release_signals(), when
// there is somebody to handle them: a SIGHUP right after the start must not end the process. Before
// any thread is made; again at the end, when nobody handles them any more.
void hold_signals();
void release_signals();

// No core dumps and no ptrace by others: memory holds private keys. Again after every change of
// user.
void forbid_core_dumps();

// Starts the program anew with every function of its libraries bound (LD_BIND_NOW of ld.so(8)),
// unless it runs so already. Else the dynamic linker looks a function up at its first call and
// saves the vector registers on the stack meanwhile: malloc's rare paths are first called from
// inside OpenSSL, when half a key is still in a register, and it stays on that stack. Signals are
// held from here on. Returns if it is bound or cannot be; that is told on standard error.
void bind_libraries(char** argv);

}  // namespace usher
