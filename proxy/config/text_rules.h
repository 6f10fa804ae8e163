#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace usher::config {

// What a text must be, and how a message says it.
struct TextRule {
  enum Shown : bool { kOpen, kSecret };  // whether a message repeats what stands there
  bool (*holds)(std::string_view text);
  std::string_view expected;
  Shown shown = kOpen;
};

extern const TextRule kPlainText;  // may be empty; no control characters
extern const TextRule kName;       // a label of logs and metrics
extern const TextRule kNodeName;   // as in a DNS name
extern const TextRule kUserName;   // "" for none
extern const TextRule kGroupName;
extern const TextRule kFile;          // a path
extern const TextRule kOptionalFile;  // "" for none
extern const TextRule kSocketPath;    // absolute and short enough for sun_path; "" for none
extern const TextRule kAccessLog;
extern const TextRule kListenAddress;    // SocketAddress takes it
extern const TextRule kOptionalAddress;  // "" for none
extern const TextRule kServerAddress;    // HOST:PORT, port above 0
extern const TextRule kNetwork;          // Cidr takes it
extern const TextRule kProtocolName;     // RFC 7301 §3.1: 1 to 255 bytes
extern const TextRule kKeydEndpoint;     // "unix:/PATH" or "tls:HOST:PORT"
extern const TextRule kSessionContext;   // whose sid_ctx tickets carry; "" for our own
extern const TextRule kCertificateName;  // exact or "*.", as SNI can carry it (RFC 6066 §3)
extern const TextRule kRouteHost;        // a host name or IPv4 address, or "*." and a host name
extern const TextRule kRoutePath;        // the start of a request's path
extern const TextRule kHttpProtocol;     // ALPN of HTTP (RFC 7301, IANA)
extern const TextRule kHsts;  // the value of Strict-Transport-Security (RFC 6797 §6.1); "" for none

extern const TextRule kBalance;        // how a backend's servers are chosen
extern const TextRule kTlsServerName;  // a host name or an address without port; "" for none
extern const TextRule kHealthPath;     // a request target (RFC 9112 §3.2.1)

std::string lower_case(std::string_view ascii);

}  // namespace usher::config
