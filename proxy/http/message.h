#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace usher::http {

enum class Version : std::uint8_t { k10, k11, k2 };

enum class Method : std::uint8_t {
  kGet,
  kHead,
  kPost,
  kPut,
  kDelete,
  kOptions,
  kPatch,
  kConnect,
  kTrace,
  kOther,  // any other token: forwarded as it is
};

// The fields that Usher itself has to do with; everything else is kOther.
enum class FieldName : std::uint8_t {
  kOther,
  kHost,
  kContentLength,
  kTransferEncoding,
  kExpect,
  kCookie,      // joined into one towards backends (RFC 9113 §8.2.3)
  kConfusable,  // one of these but for "_" in place of "-": the same to a CGI-like backend
  kConnection,  // this and the following are hop-by-hop (RFC 9110 §7.6.1)
  kKeepAlive,
  kProxyConnection,
  kTe,
  kTrailer,  // an announcement that recipients may not rely on (RFC 9110 §6.6.2): not forwarded
  kUpgrade,
  kHttp2Settings,
  kProxyAuthenticate,
  kProxyAuthorization,
  kForwarded,  // this and the following are the proxy's own towards backends
  kXForwardedFor,
  kXForwardedProto,
  kXForwardedHost,
  kXForwardedPort,
  kXRequestId,
  kXTls,  // X-TLS-*: facts of the client's TLS
  kStrictTransportSecurity,
};

// Views point into the bytes that were parsed, names as the peer wrote them.
struct Field {
  FieldName id = FieldName::kOther;
  std::string_view name;
  std::string_view value;  // without surrounding white space
};

FieldName field_name_of(std::string_view name);
inline bool is_hop_by_hop(FieldName id) {
  return id >= FieldName::kConnection && id <= FieldName::kProxyAuthorization;
}
bool same_name(std::string_view a, std::string_view b);  // ASCII case-insensitive

// How the end of a message is found (RFC 9112 §6).
struct Body {
  enum class Kind : std::uint8_t {
    kNone,
    kLength,
    kChunked,     // HTTP/1.1 chunks; on HTTP/2: no content-length
    kUntilClose,  // responses only
    kTunnel,      // after a 101: bytes both ways until the end
  };
  Kind kind = Kind::kNone;
  std::uint64_t length = 0;  // of kLength: > 0
};

// A request that passed every check (RFC 9110, 9112, 9113): what it says is unambiguous. Views live
// as long as the bytes it was parsed from.
struct RequestHead {
  Method method = Method::kGet;
  Version version = Version::k11;
  bool keep_alive = true;  // the client's wish (HTTP/1)
  bool expects_continue = false;
  bool te_trailers = false;  // the client takes trailers
  std::string_view method_text;
  std::string_view authority;  // "" only for HTTP/1.0 without Host
  std::string_view target;     // origin-form, or "*"; never absolute-form
  // The value of Upgrade where Connection names it, no content follows and it is not another way to
  // speak HTTP or TLS ("h2c"); "" none.
  std::string_view upgrade;
  Body body;                  // kNone, kLength or kChunked
  std::vector<Field> fields;  // without Host; hop-by-hop fields included, Connection's too
  void clear();
};

struct ResponseHead {
  unsigned status = 0;
  Version version = Version::k11;
  bool keep_alive = true;  // the backend's connection may be used again after this response
  std::string_view reason;
  Body body;
  // As sent, also where no content follows it: to HEAD, in a 304. Never of 1xx and 204.
  std::optional<std::uint64_t> content_length;
  std::vector<Field> fields;
  void clear();
};

bool is_idempotent(Method method);  // RFC 9110 §9.2.2
// Named in one of the Connection fields of `fields` (RFC 9110 §7.6.1)?
bool named_in_connection(const std::vector<Field>& fields, std::string_view name);

}  // namespace usher::http
