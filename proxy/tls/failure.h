#pragma once

#include <string>

#include "proxy/tls/outcomes.h"

namespace usher::tls {

// What OpenSSL's error queue says about a failed call.
struct FailureCause {
  TlsFailure failure = TlsFailure::kInternal;
  unsigned long code = 0;  // the packed OpenSSL error, 0 none; reason_text() spells it
};

// ERR_clear_error() for the data path: that one goes through all 16 slots and frees 32 pointers,
// also where the queue is empty, as it nearly always is.
void clear_error_queue();

// Reads and clears this thread's error queue. `hello_seen`: the ClientHello was complete;
// `tls_record`: the client's first byte can begin one.
FailureCause drain_failure(bool hello_seen, bool tls_record);
std::string reason_text(
    unsigned long code);  // "no shared cipher", "tlsv1 alert unknown ca"; "" for 0

}  // namespace usher::tls
