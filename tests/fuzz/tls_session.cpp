#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "proxy/base/check.h"
#include "proxy/tls/tls_session.h"
#include "tests/support/test_ca.h"

namespace {

using namespace usher;

std::shared_ptr<const tls::ServerContext> make_context() {
  const test::TemporaryDirectory directory;
  test::TestCa authority = test::TestCa::root("Fuzz CA");
  const auto issued = authority.issue({.common_name = "localhost"});
  auto credential =
      tls::load_credential(directory.write("chain.pem", issued.certificate_pem),
                           directory.write("key.pem", issued.key_pem), {}, unix_now());
  CHECK(credential.has_value());
  std::vector<std::string> warnings;
  auto trust =
      tls::load_client_trust(directory.write("ca.pem", authority.certificate_pem()), "", warnings);
  CHECK(trust.has_value());
  tls::ListenerTls settings;
  settings.credentials = {credential->credential};
  settings.alpn = {"h2", "http/1.1"};
  settings.client_auth = tls::ClientAuth::kOptional;
  settings.trust = *trust;
  static const auto library = tls::LibraryContext::create();
  CHECK(library.has_value());
  auto context =
      tls::build_server_context(**library, std::make_shared<const tls::ListenerTls>(settings));
  CHECK(context.has_value());
  return *context;
}

}  // namespace

// Any bytes from a client: the first byte is the most that arrives at once. Every input ends
// blocked or in a reason, with bounded output.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto context = make_context();
  if (size == 0) {
    return 0;
  }
  const std::size_t piece = data[0] + std::size_t{1};
  ByteView rest = std::as_bytes(std::span(data, size)).subspan(1);
  const auto session = tls::TlsSession::create(context, nullptr);
  CHECK(session != nullptr);
  ByteQueue output;
  tls::IoOutcome outcome = tls::IoOutcome::kBlocked;
  while (outcome == tls::IoOutcome::kBlocked && !rest.empty()) {
    const ByteView input = rest.first(std::min(piece, rest.size()));
    session->attach(input, output);
    if (!session->handshake_done()) {
      outcome = session->handshake();
    } else {
      std::array<std::byte, 256> plain;
      std::size_t count = 0;
      outcome = session->read(plain, count);
    }
    CHECK(outcome != tls::IoOutcome::kBlocked || session->unread_input().empty());
    rest = rest.subspan(input.size() - session->unread_input().size());
  }
  CHECK((outcome == tls::IoOutcome::kFailed) == (session->failure() != tls::TlsFailure::kNone));
  CHECK(output.size() <= tls::TlsSession::kOutputMax + 64 * 1024);
  (void)session->facts();
  (void)session->failure_detail();
  return 0;
}
