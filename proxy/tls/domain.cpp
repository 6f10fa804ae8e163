#include "proxy/tls/domain.h"

#include <openssl/evp.h>

#include <string>

#include "proxy/base/bytes.h"
#include "proxy/base/check.h"

namespace usher::tls {

namespace {

void append_part(std::string& input, std::string_view part) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    input += static_cast<char>(part.size() >> shift & 0xff);
  }
  input += part;
}

}  // namespace

Domain resumption_domain(ClientAuth auth, unsigned verify_depth, const ClientTrust* trust,
                         std::string_view pattern) {
  std::string input;
  append_part(input, "usher domain 1");
  append_part(input, std::to_string(static_cast<unsigned>(auth)));
  append_part(input, std::to_string(verify_depth));
  // The list is one part, so that digests cannot pass for the fields behind it.
  std::string digests;
  if (trust != nullptr) {
    for (const Sha256& digest : trust->ca_digests) {
      digests += text_of(digest);
    }
  }
  append_part(input, digests);
  append_part(input, trust != nullptr ? text_of(trust->crl_digest) : std::string_view());
  append_part(input, pattern);

  Domain domain;
  CHECK(EVP_Q_digest(nullptr, "SHA256", nullptr, input.data(), input.size(),
                     writable_uchars(domain), nullptr) == 1);
  return domain;
}

}  // namespace usher::tls
