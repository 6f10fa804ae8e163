#pragma once

#include <memory>

#include "proxy/base/openssl_ptr.h"
#include "proxy/base/result.h"

namespace usher::tls {

// One OpenSSL library context per worker: OpenSSL 3.0 shares locks inside a context, so a shared
// one lets two threads do the work of one (DESIGN §1.3, §3). Configured from openssl.cnf (a missing
// file is fine). Thread: create() on main, for all workers one after another before the first
// SSL_CTX exists; then its worker's. Owner: the worker; dies after every object made from it.
class LibraryContext {
 public:
  static Result<std::unique_ptr<LibraryContext>> create();

  OSSL_LIB_CTX* raw() const { return context_.get(); }

  // Makes the context the calling thread's default for its lifetime: without this SSL_new and
  // mutual-TLS tickets still meet in the global context. At the end restores the previous default
  // and frees what OpenSSL keeps for this thread.
  class ThreadDefault {
   public:
    explicit ThreadDefault(const LibraryContext& context);
    ~ThreadDefault();
    ThreadDefault(const ThreadDefault&) = delete;

   private:
    OSSL_LIB_CTX* own_;
    OSSL_LIB_CTX* previous_;
  };

 private:
  explicit LibraryContext(LibCtxPtr context) : context_(std::move(context)) {}
  LibCtxPtr context_;
};

}  // namespace usher::tls
