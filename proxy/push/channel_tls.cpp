#include "proxy/push/channel_tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

#include "proxy/base/bytes.h"
#include "proxy/base/clock.h"
#include "proxy/tls/context_maker.h"
#include "proxy/tls/pem.h"

namespace usher::push {
namespace {

// A peer's chain: a handful of the largest certificates; OpenSSL allows 100 KiB.
constexpr long kChainBytesMax = 64 * 1024;
constexpr int kVerifyDepth = 4;  // as tls.verify_depth of listeners

using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, FreeWith<GENERAL_NAMES_free>>;

char lower(char letter) {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

// Of one machine: no wildcard, and nothing that could be read as another name or garble a log.
bool names_one_host(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

std::vector<std::string> dns_names_of(const X509* certificate) {
  std::vector<std::string> names;
  const GeneralNamesPtr list(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  const int count = list == nullptr ? 0 : sk_GENERAL_NAME_num(list.get());
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* entry = sk_GENERAL_NAME_value(list.get(), i);
    if (entry->type != GEN_DNS) {
      continue;
    }
    const auto size = static_cast<std::size_t>(ASN1_STRING_length(entry->d.dNSName));
    std::string name(
        text_of(std::as_bytes(std::span(ASN1_STRING_get0_data(entry->d.dNSName), size))));
    std::ranges::transform(name, name.begin(), lower);
    if (names_one_host(name)) {
      names.push_back(std::move(name));
    }
  }
  ERR_clear_error();
  return names;
}

bool has_alternative_name(const X509* certificate) {
  return X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1) >= 0;
}

// TLS 1.3 only, no resumption of any kind: every connection proves both identities anew.
void set_rules(SSL_CTX* context) {
  CHECK(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
        SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CLEANSE_PLAINTEXT);
  CHECK(SSL_CTX_set_num_tickets(context, 0) == 1);  // NO_TICKET alone makes them stateful
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_NO_AUTO_CHAIN);
  // Records that carry no data (KeyUpdate) end a read, so that a flood of them cannot hold the
  // loop.
  SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_max_cert_list(context, kChainBytesMax);
  SSL_CTX_set_verify_depth(context, kVerifyDepth);
}

// The chain's purpose (clientAuth, serverAuth) is checked by OpenSSL, for the role of each side.
Result<SslCtxPtr> make_context(const SSL_METHOD* method, const std::vector<X509Ptr>& authorities,
                               const tls::Credential& credential) {
  ERR_clear_error();
  SslCtxPtr context(SSL_CTX_new(method));
  if (context == nullptr) {
    return fail("OpenSSL makes no TLS context (" + tls::take_openssl_reason() + ")");
  }
  set_rules(context.get());
  for (const X509Ptr& authority : authorities) {
    CHECK(X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), authority.get()) == 1);
    CHECK(SSL_CTX_add_client_CA(context.get(), authority.get()) == 1);
  }
  const tls::ListenerTls defaults;
  const auto maker = tls::ContextMaker::create(nullptr, defaults);
  if (!maker) {
    return Unexpected(Error(maker.error()));
  }
  if (auto added = maker->add_credential(context.get(), credential); !added) {
    return Unexpected(std::move(added).error());
  }
  return context;
}

void append(std::vector<std::string>& to, std::vector<std::string> more) {
  std::ranges::move(more, std::back_inserter(to));
}

}  // namespace

Result<std::shared_ptr<const ChannelTls>> ChannelTls::load(const Files& files) {
  std::shared_ptr<ChannelTls> made(new ChannelTls);
  // No SNI chooses here; given a name, load_credential does not ask for one.
  auto own = tls::load_credential(files.cert, files.key, {"push"}, unix_now());
  if (!own) {
    return Unexpected(std::move(own).error());
  }
  append(made->warnings_, std::move(own->warnings));
  const auto trust = tls::load_client_trust(files.ca, "", made->warnings_);
  if (!trust) {
    return Unexpected(Error(trust.error()));
  }
  auto authorities = tls::certificates_in(nullptr, bytes_of((*trust)->ca_pem));
  if (!authorities) {
    return Unexpected(std::move(authorities).error().within(files.ca));
  }
  auto client = make_context(TLS_client_method(), *authorities, *own->credential);
  if (!client) {
    return Unexpected(std::move(client).error());
  }
  auto server = make_context(TLS_server_method(), *authorities, *own->credential);
  if (!server) {
    return Unexpected(std::move(server).error());
  }
  SSL_CTX_set_verify(client->get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_verify(server->get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  made->client_ = *std::move(client);
  made->server_ = *std::move(server);
  const X509* certificate = SSL_CTX_get0_certificate(made->server_.get());
  if (!has_alternative_name(certificate)) {
    made->warnings_.push_back(files.cert +
                              ": the certificate has no subjectAltName, so peers refuse it (a CN "
                              "is not looked at)");
  }
  made->names_ = dns_names_of(certificate);
  return std::shared_ptr<const ChannelTls>(std::move(made));
}

std::vector<std::string> dns_names(SSL* ssl) {
  const X509* certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr || SSL_get_verify_result(ssl) != X509_V_OK) {
    return {};
  }
  return dns_names_of(certificate);
}

// Where text and pattern part, the last '*' takes one more character; earlier ones need no second
// try, since no '*' reaches beyond a dot.
bool glob_matches(std::string_view pattern, std::string_view name) {
  std::size_t star = std::string_view::npos;
  std::size_t star_end = 0;  // of what the last '*' stands for
  std::size_t at = 0;
  for (std::size_t read = 0; read < name.size();) {
    if (at < pattern.size() && pattern[at] == '*' && name[read] != '.') {
      star = at++;
      star_end = ++read;
    } else if (at < pattern.size() && pattern[at] != '*' &&
               lower(pattern[at]) == lower(name[read])) {
      ++at;
      ++read;
    } else if (star != std::string_view::npos && name[star_end] != '.') {
      at = star + 1;
      read = ++star_end;
    } else {
      return false;
    }
  }
  return at == pattern.size();
}

}  // namespace usher::push
