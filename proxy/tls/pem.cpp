#include "proxy/tls/pem.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "proxy/base/unique_fd.h"
#include "proxy/base/unix_errors.h"

namespace usher::tls {

namespace {

BioPtr reader_of(ByteView pem) {
  BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  CHECK(bio != nullptr);
  return bio;
}

// OpenSSL asks here instead of at the terminal.
int refuse_password(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

// Ends a loop over PEM blocks: "no more" is fine, anything else is damage.
Result<void> end_of_blocks() {
  const unsigned long code = ERR_peek_last_error();
  if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) {
    ERR_clear_error();
    return {};
  }
  return fail("a damaged PEM block (" + take_openssl_reason() + ")");
}

bool contains(ByteView pem, std::string_view text) {
  return text_of(pem).find(text) != std::string_view::npos;
}

template <class Objects, class Write>
std::string written(const Objects& objects, Write write) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  CHECK(bio != nullptr);
  for (const auto& object : objects) {
    CHECK(write(bio.get(), object.get()) == 1);
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

// Reloads read files after the change to process.user, so root's rights do not help.
std::string reader_hint() {
  const passwd* user = ::getpwuid(::geteuid());
  const std::string name = user != nullptr ? user->pw_name : std::to_string(::geteuid());
  return " to user '" + name + "', as whom Usher reads it; give it to " + name +
         " (chown) or to a group of " + name + " (chgrp, chmod g+r), its folders too";
}

}  // namespace

Result<SecretBuffer> read_pem_file(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!file || ::fstat(file.value(), &status) != 0) {
    const int error = errno;
    return fail(path + ": " + errno_text(error) +
                (error == EACCES ? reader_hint() : std::string()));
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(path + ": not a regular file");
  }
  if (status.st_size == 0) {
    return fail(path + ": the file is empty");
  }
  if (static_cast<std::uint64_t>(status.st_size) > kPemFileMax) {
    return fail(path + ": larger than 1 MiB, which no PEM file needs");
  }
  SecretBuffer content(static_cast<std::size_t>(status.st_size));
  std::size_t filled = 0;
  while (filled < content.size()) {
    const ssize_t got =
        ::read(file.value(), content.bytes().data() + filled, content.size() - filled);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return fail(path + ": " +
                  (got < 0 ? errno_text(errno) : "the file became shorter while it was read"));
    }
    filled += static_cast<std::size_t>(got);
  }
  return content;
}

Result<std::vector<X509Ptr>> certificates_in(OSSL_LIB_CTX* library, ByteView pem) {
  ERR_clear_error();
  const BioPtr bio = reader_of(pem);
  std::vector<X509Ptr> certificates;
  for (;;) {
    bool asked = false;
    X509* certificate = X509_new_ex(library, nullptr);
    CHECK(certificate != nullptr);
    X509Ptr owned(certificate);
    // Decodes into our object, which carries the library context; on failure it frees it and says
    // null.
    if (PEM_read_bio_X509(bio.get(), &certificate, refuse_password, &asked) == nullptr) {
      if (certificate == nullptr) {
        (void)owned.release();
      }
      break;
    }
    certificates.push_back(std::move(owned));
  }
  if (auto end = end_of_blocks(); !end) {
    return Unexpected(std::move(end).error());
  }
  return certificates;
}

Result<std::vector<X509CrlPtr>> revocation_lists_in(OSSL_LIB_CTX* library, ByteView pem) {
  ERR_clear_error();
  const BioPtr bio = reader_of(pem);
  std::vector<X509CrlPtr> lists;
  for (;;) {
    bool asked = false;
    X509_CRL* list = X509_CRL_new_ex(library, nullptr);
    CHECK(list != nullptr);
    X509CrlPtr owned(list);
    if (PEM_read_bio_X509_CRL(bio.get(), &list, refuse_password, &asked) == nullptr) {
      if (list == nullptr) {
        (void)owned.release();
      }
      break;
    }
    lists.push_back(std::move(owned));
  }
  if (auto end = end_of_blocks(); !end) {
    return Unexpected(std::move(end).error());
  }
  return lists;
}

Result<PkeyPtr> private_key_in(OSSL_LIB_CTX* library, ByteView pem) {
  if (!contains(pem, "-----BEGIN ")) {
    return fail("not a PEM file");
  }
  if (!contains(pem, "PRIVATE KEY-----")) {
    return fail(contains(pem, "-----BEGIN CERTIFICATE-----")
                    ? "holds a certificate but no private key; are chain and key exchanged?"
                    : "holds no private key");
  }
  ERR_clear_error();
  const BioPtr bio = reader_of(pem);
  bool asked = false;
  PkeyPtr key(
      PEM_read_bio_PrivateKey_ex(bio.get(), nullptr, refuse_password, &asked, library, nullptr));
  if (asked) {
    ERR_clear_error();
    return fail(
        "the private key is encrypted and Usher never asks for a password; decrypt it with: "
        "openssl pkey -in OLD -out NEW");
  }
  if (key == nullptr) {
    return fail("the private key cannot be decoded (" + take_openssl_reason() + ")");
  }
  ERR_clear_error();
  return key;
}

std::string to_pem(const std::vector<X509Ptr>& certificates) {
  return written(certificates, PEM_write_bio_X509);
}

std::string to_pem(const std::vector<X509CrlPtr>& lists) {
  return written(lists, PEM_write_bio_X509_CRL);
}

std::string subject_of(const X509* certificate) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  const unsigned long flags = XN_FLAG_RFC2253;
  if (!out || X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate), 0, flags) < 0) {
    return {};
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : std::string();
}

std::string common_name_of(const X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) {
    return {};
  }
  unsigned char* text = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  if (size < 0) {
    ERR_clear_error();
    return {};
  }
  std::string name(text_of(std::as_bytes(std::span(text, static_cast<std::size_t>(size)))));
  OPENSSL_free(text);
  const bool printable = std::none_of(name.begin(), name.end(), [](char letter) {
    return static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f;
  });
  return printable ? name : std::string();
}

std::string take_openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
  std::string reason = text == nullptr ? "no reason given" : text;
  ERR_clear_error();
  return reason;
}

}  // namespace usher::tls
