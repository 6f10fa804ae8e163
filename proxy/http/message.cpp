#include "proxy/http/message.h"

#include <array>

#include "proxy/http/syntax.h"

namespace usher::http {

namespace {

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

constexpr auto make_folded() {
  std::array<char, 256> folded{};
  for (unsigned c = 0; c < folded.size(); ++c) {
    folded[c] = c == '_' ? '-' : lower(static_cast<char>(c));
  }
  return folded;
}

// Lower case, "_" as "-".
constexpr std::array<char, 256> kFolded = make_folded();

// `name` is no shorter than `known`.
bool folds_to(std::string_view name, std::string_view known) {
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (kFolded[static_cast<unsigned char>(name[i])] != known[i]) {
      return false;
    }
  }
  return true;
}

struct Known {
  std::string_view name;
  FieldName id;
};

FieldName one_of(std::string_view name, Known only) {
  return folds_to(name, only.name) ? only.id : FieldName::kOther;
}

FieldName one_of(std::string_view name, Known first, Known second) {
  return folds_to(name, first.name) ? first.id : one_of(name, second);
}

// Up to case and "_".
FieldName folded_name_of(std::string_view name) {
  using enum FieldName;
  switch (name.size()) {
    case 2:
      return one_of(name, {"te", kTe});
    case 4:
      return one_of(name, {"host", kHost});
    case 6:
      return one_of(name, {"cookie", kCookie}, {"expect", kExpect});
    case 7:
      return one_of(name, {"upgrade", kUpgrade}, {"trailer", kTrailer});
    case 9:
      return one_of(name, {"forwarded", kForwarded});
    case 10:
      return one_of(name, {"connection", kConnection}, {"keep-alive", kKeepAlive});
    case 12:
      return one_of(name, {"x-request-id", kXRequestId});
    case 14:
      return one_of(name, {"content-length", kContentLength}, {"http2-settings", kHttp2Settings});
    case 15:
      return one_of(name, {"x-forwarded-for", kXForwardedFor});
    case 16: {
      const FieldName found = one_of(name, {"x-forwarded-host", kXForwardedHost},
                                     {"x-forwarded-port", kXForwardedPort});
      return found != kOther ? found : one_of(name, {"proxy-connection", kProxyConnection});
    }
    case 17:
      return one_of(name, {"transfer-encoding", kTransferEncoding},
                    {"x-forwarded-proto", kXForwardedProto});
    case 18:
      return one_of(name, {"proxy-authenticate", kProxyAuthenticate});
    case 19:
      return one_of(name, {"proxy-authorization", kProxyAuthorization});
    case 25:
      return one_of(name, {"strict-transport-security", kStrictTransportSecurity});
    default:
      return kOther;
  }
}

}  // namespace

FieldName field_name_of(std::string_view name) {
  constexpr std::string_view kTlsPrefix = "x-tls-";
  FieldName id = folded_name_of(name);
  if (id == FieldName::kOther) {
    if (name.size() < kTlsPrefix.size() || !folds_to(name, kTlsPrefix)) {
      return FieldName::kOther;
    }
    id = FieldName::kXTls;
  }
  return name.find('_') == std::string_view::npos ? id : FieldName::kConfusable;
}

bool same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) {
      return false;
    }
  }
  return true;
}

void RequestHead::clear() {
  auto kept = std::move(fields);
  kept.clear();
  *this = RequestHead();
  fields = std::move(kept);
}

void ResponseHead::clear() {
  auto kept = std::move(fields);
  kept.clear();
  *this = ResponseHead();
  fields = std::move(kept);
}

bool is_idempotent(Method method) {
  switch (method) {
    case Method::kGet:
    case Method::kHead:
    case Method::kPut:
    case Method::kDelete:
    case Method::kOptions:
    case Method::kTrace:
      return true;
    default:
      return false;
  }
}

bool named_in_connection(const std::vector<Field>& fields, std::string_view name) {
  for (const Field& field : fields) {
    if (field.id == FieldName::kConnection) {
      ListReader options(field.value);
      for (std::string_view option; options.next(option);) {
        if (same_name(option, name)) {
          return true;
        }
      }
    }
  }
  return false;
}

}  // namespace usher::http
