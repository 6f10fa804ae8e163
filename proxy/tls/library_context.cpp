#include "proxy/tls/library_context.h"

#include <openssl/conf.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "proxy/base/check.h"

namespace usher::tls {

namespace {

Unexpected<Error> bad_configuration() {
  char reason[256];
  ERR_error_string_n(ERR_peek_last_error(), reason, sizeof reason);
  ERR_clear_error();
  return fail(std::string("openssl.cnf: ") + reason +
              "; correct the file, or set OPENSSL_CONF to another one");
}

}  // namespace

Result<std::unique_ptr<LibraryContext>> LibraryContext::create() {
  // Initialises the global context first: its configuration fills OpenSSL's static ssl_conf names
  // too, and must not do so later, beside a worker's first SSL_CTX.
  OPENSSL_init_ssl(OPENSSL_INIT_LOAD_CONFIG, nullptr);
  ERR_clear_error();
  LibCtxPtr context(OSSL_LIB_CTX_new());
  if (context == nullptr) {
    return fail("OpenSSL: no memory for a library context");
  }
  // No file name: OPENSSL_CONF or the built-in default. Flags as OpenSSL uses them for its global
  // context, but without IGNORE_RETURN_CODES: a FIPS section that cannot load must not end in no
  // FIPS.
  const unsigned long flags = CONF_MFLAGS_DEFAULT_SECTION | CONF_MFLAGS_IGNORE_MISSING_FILE;
  if (CONF_modules_load_file_ex(context.get(), nullptr, nullptr, flags) <= 0) {
    return bad_configuration();
  }
  // A provider that cannot be activated (a wrong path) is no error for the loader, but leaves none.
  if (DigestPtr(EVP_MD_fetch(context.get(), "SHA2-256", nullptr)) == nullptr) {
    return bad_configuration();
  }
  ERR_clear_error();
  return std::unique_ptr<LibraryContext>(new LibraryContext(std::move(context)));
}

LibraryContext::ThreadDefault::ThreadDefault(const LibraryContext& context)
    : own_(context.raw()), previous_(OSSL_LIB_CTX_set0_default(own_)) {
  CHECK(previous_ != nullptr);
}

LibraryContext::ThreadDefault::~ThreadDefault() {
  OSSL_LIB_CTX_set0_default(previous_);
  OPENSSL_thread_stop_ex(own_);
}

}  // namespace usher::tls
