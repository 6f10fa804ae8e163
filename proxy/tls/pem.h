#pragma once

#include <string>
#include <vector>

#include "proxy/base/bytes.h"
#include "proxy/base/openssl_ptr.h"
#include "proxy/base/result.h"
#include "proxy/base/secret.h"

// PEM files and what is in them. Never prompts: an encrypted key is an error. Every object belongs
// to the library context it was made for (null: the thread's default), so that using it takes that
// context's locks.
namespace usher::tls {

inline constexpr std::size_t kPemFileMax = 1024 * 1024;

// The whole file, which may hold a key beside certificates. Unreadable, empty and larger than
// kPemFileMax are errors that name it.
Result<SecretBuffer> read_pem_file(const std::string& path);

// All certificates or CRLs in order; other blocks are skipped. An empty result is not an error; a
// damaged block is, told without a file name.
Result<std::vector<X509Ptr>> certificates_in(OSSL_LIB_CTX* library, ByteView pem);
Result<std::vector<X509CrlPtr>> revocation_lists_in(OSSL_LIB_CTX* library, ByteView pem);

// The first private key. Encrypted, absent, public only and undecodable are errors without a file
// name.
Result<PkeyPtr> private_key_in(OSSL_LIB_CTX* library, ByteView pem);

std::string to_pem(const std::vector<X509Ptr>& certificates);
std::string to_pem(const std::vector<X509CrlPtr>& lists);

// The subject as RFC 2253 writes it; the certificate is not null.
std::string subject_of(const X509* certificate);
// The subject's CN as UTF-8, "" when absent or not printable.
std::string common_name_of(const X509* certificate);

// Takes the error queue's last reason ("ee key too small") and clears the queue.
std::string take_openssl_reason();

}  // namespace usher::tls
