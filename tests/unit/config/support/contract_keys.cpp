#include "tests/unit/config/support/contract_keys.h"

namespace usher::config {

const std::string_view kContractList = R"(
[process] node workers user max_connections drain_delay drain_timeout
[log] level format access
[admin] listen socket allow_groups
[tls] min_version max_version ciphers ciphersuites groups sigalgs session_lifetime lineage_max
[tls] handshake_timeout
[tickets] source per_handshake rotate_every seal_max_age open_max_age keyd keyd_user ca cert key
[tickets] wait file
[session_cache] memory_entries stateful_tls13 redis redis_timeout
[[listener]] name address mode backend alpn idle_timeout proxy_protocol proxy_protocol_from
[[listener]] client_auth client_ca client_crl verify_depth session_context trusted_proxies
[[listener]] forwarded tls_headers hsts max_head_bytes max_headers
[[listener.certificate]] chain key names
[[backend]] name servers balance proxy_protocol connect_timeout first_byte_timeout idle_timeout
[[backend]] resolve_every pool_idle pool_idle_timeout max_connections queue slow_start
[[backend]] eject_after eject_for tls tls_ca tls_server_name tls_verify
[backend.health] type path interval timeout rise fall
)";

namespace {

// No duration takes these.
#define BAD_DURATIONS                                                         \
  "30", "\"30\"", "\"-1s\"", "\"1.5s\"", "\"ten hours\"", "\"\"", "\"366d\"", \
      "\"9223372036854775807d\"", "true"

std::vector<KeyCase> global_keys() {
  return {
      {"[process]",
       "node",
       {"'proxy-1.example'", "'P_1'"},
       {"7", "''", "'a b'", "'-a'", "'a..b'", "'\u00e4'"}},
      {"[process]",
       "workers",
       {"0", "1", "512"},
       {"-1", "513", "'2'", "1.0", "9223372036854775807"}},
      {"[process]", "user", {"''", "'usher'"}, {"0", "'a b'", "'-r'", "'/root'"}},
      {"[process]", "max_connections", {"0", "100000000"}, {"-1", "100000001", "'many'"}},
      {"[process]", "drain_delay", {"'0s'", "'0'", "'10s'", "'365d'"}, {BAD_DURATIONS}},
      {"[process]", "drain_timeout", {"'30s'", "'0s'"}, {BAD_DURATIONS}},
      {"[log]", "level", {"'info'", "'debug'", "'warning'", "'error'"}, {"'loud'", "1", "'INFO'"}},
      {"[log]", "format", {"'logfmt'", "'json'"}, {"'xml'", "false"}},
      {"[log]",
       "access",
       {"'off'", "'stdout'", "'/var/log/usher.log'"},
       {"'stdot'", "true", "''", "'/var/'", "\"/a\\u0000b\""}},
      {"[admin]",
       "listen",
       {"'127.0.0.1:9464'", "''", "'[::1]:0'"},
       {"'localhost:1'", "9464", "'127.0.0.1'", "'127.0.0.1:65536'"}},
      {"[admin]",
       "socket",
       {"'/run/usher/usher.sock'", "''"},
       {"'usher.sock'", "1",
        "'/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/"
        "0123456789/01234567'"}},
      {"[admin]",
       "allow_groups",
       {"[]", "['wheel', 'adm']"},
       {"'wheel'", "[1]", "['']", "['a b']", "['a', 'a']", "[['a']]"}},
      {"[tls]", "min_version", {"'1.2'", "'1.3'"}, {"'1.1'", "1.2", "'TLSv1.2'"}},
      {"[tls]", "max_version", {"'1.3'", "'1.2'"}, {"'1.4'", "1.3"}},
      {"[tls]", "ciphers", {"''", "'ECDHE+AESGCM'"}, {"[]", "\"a\\nb\""}},
      {"[tls]", "ciphersuites", {"''", "'TLS_AES_128_GCM_SHA256'"}, {"1", "\"\\u007f\""}},
      {"[tls]", "groups", {"''", "'X25519:P-256'"}, {"['X25519']", "\"\\t\""}},
      {"[tls]", "sigalgs", {"''", "'ed25519'"}, {"1", "\"\\u0000\""}},
      {"[tls]", "session_lifetime", {"'6h'", "'1s'"}, {BAD_DURATIONS, "'0s'", "'999ms'", "'8d'"}},
      {"[tls]", "lineage_max", {"'24h'", "'1s'", "'365d'"}, {BAD_DURATIONS, "'0s'"}},
      {"[tls]", "handshake_timeout", {"'10s'", "'10ms'", "'1d'"}, {BAD_DURATIONS, "'0s'", "'25h'"}},
      {"[tickets]", "source", {"'embedded'", "'off'"}, {"'imbedded'", "1", "''"}},
      {"[tickets]", "per_handshake", {"1", "16"}, {"0", "17", "-1", "'1'"}},
      {"[tickets]", "rotate_every", {"'1h'", "'9m'"}, {BAD_DURATIONS, "'0s'", "'99ms'"}},
      {"[tickets]", "seal_max_age", {"'3h'", "'61m'"}, {BAD_DURATIONS, "'0s'"}},
      {"[tickets]", "open_max_age", {"'9h'", "'60h'"}, {BAD_DURATIONS, "'0s'"}},
      {"[tickets]",
       "keyd",
       {"[]", "['unix:/run/usher-keyd/keyd.sock']", "['tls:keyd-1.example:7443', 'tls:[::1]:1']"},
       {"'unix:/a'", "[1]", "['/a']", "['unix:a']", "['unix:']", "['tls:keyd']", "['tls:keyd:0']",
        "['tcp:keyd:1']", "['unix:/a', 'unix:/a']"}},
      {"[tickets]", "keyd_user", {"''", "'usher-keyd'"}, {"1", "'a b'"}},
      {"[tickets]", "ca", {"''", "'ca.pem'"}, {"[]", "\"a\\nb\""}},
      {"[tickets]", "cert", {"''", "'cert.pem'"}, {"[]"}},
      {"[tickets]", "key", {"''", "'key.pem'"}, {"[]"}},
      {"[tickets]", "wait", {"'10s'", "'0s'", "'11s'"}, {BAD_DURATIONS}},
      {"[tickets]",
       "file",
       {"[]", "['/etc/a.key', '/etc/b.key']"},
       {"'a'", "[1]", "['']", "['a', 'a']"}},
      {"[session_cache]",
       "memory_entries",
       {"20000", "0", "10000000"},
       {"-1", "10000001", "'20000'", "20000.0"}},
      {"[session_cache]", "stateful_tls13", {"false", "true"}, {"0", "'false'"}},
      {"[session_cache]",
       "redis",
       {"''", "[]", "'redis://127.0.0.1:6379'", "'redis://user:pass@[::1]:1/2'",
        "'unix:///run/redis.sock'", "['redis://a', 'redis://b:7000']"},
       {"1", "[1]", "['']", "'127.0.0.1:6379'", "'http://a'", "'unix://run'", "'rediss://a:6379'",
        "['redis://a', 'redis://a']", "[['redis://a']]"}},
      {"[session_cache]", "redis_timeout", {"'20ms'"}, {BAD_DURATIONS, "20", "'0s'", "'11s'"}},
  };
}

std::vector<KeyCase> listener_keys() {
  return {
      {"[[listener]]",
       "name",
       {"'web'", "'0.0.0.0:443'"},
       {"1", "''", "'a b'", "'\u00e4'",
        "'01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678"
        "90123456789x'"}},
      {"[[listener]]",
       "address",
       {"'0.0.0.0:443'", "'[::]:443'", "'127.0.0.1:0'"},
       {"443", "':443'", "'localhost:443'", "'::1:443'", "'0.0.0.0:65536'", "''"}},
      {"[[listener]]", "mode", {"'tcp'", "'http'"}, {"'htp'", "1"}},
      {"[[listener]]", "backend", {"'app'"}, {"['app']", "''"}},
      {"[[listener]]",
       "alpn",
       {"[]", "['h2', 'http/1.1']"},
       {"'h2'", "['']", "['h2', 'h2']", "[2]", "[\"\\u0000\"]"}},
      {"[[listener]]", "idle_timeout", {"'5m'", "'10ms'"}, {BAD_DURATIONS, "'0s'"}},
      {"[[listener]]", "proxy_protocol", {"'off'"}, {"'v1'", "true"}},
      {"[[listener]]",
       "proxy_protocol_from",
       {"[]"},
       {"'10.0.0.0/8'", "['10.0.0.1/8']", "['127.0.0.0/33']", "[8]", "['example']"}},
      {"[[listener]]", "client_auth", {"'off'"}, {"'maybe'", "true"}},
      {"[[listener]]", "client_ca", {"''"}, {"1", "[]", "\"a\\nb\""}},
      {"[[listener]]", "client_crl", {"''"}, {"1", "[]"}},
      {"[[listener]]", "verify_depth", {"4"}, {"-1", "101", "'4'", "1000"}},
      {"[[listener]]",
       "session_context",
       {"''", "'nginx'", "'nginx-stream'", "'haproxy'", "'hex:00'",
        "'hex:0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef'"},
       {"1", "'apache'", "'hex:'", "'hex:0'", "'hex:0g'",
        "'hex:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef00'"}},
      {"[[listener]]",
       "trusted_proxies",
       {"[]", "['10.0.0.0/8', '::1']"},
       {"'10.0.0.0/8'", "['10.0.0.1/8']", "[8]"},
       "http"},
      {"[[listener]]",
       "forwarded",
       {"'x'", "'rfc7239'", "'both'", "'off'"},
       {"1", "'y'", "''"},
       "http"},
      {"[[listener]]", "tls_headers", {"false", "true"}, {"'off'", "1"}, "http"},
      {"[[listener]]",
       "hsts",
       {"''", "'max-age=0'", "'max-age=63072000; includeSubDomains; preload'",
        "'includeSubDomains;Max-Age=1 ;'"},
       {"1", "'63072000'", "'max-age'", "'max-age='", "'max-age=x'", "'includeSubDomains'",
        "'max-age=1; max-age=2'", "'max-age=1 2'", "\"max-age=1\\r\\nX: y\"", "' '"},
       "http"},
      {"[[listener]]",
       "max_head_bytes",
       {"32768", "1024", "1048576"},
       {"'32k'", "1023", "1048577", "-1"},
       "http"},
      {"[[listener]]", "max_headers", {"100", "1", "10000"}, {"'100'", "0", "10001"}, "http"},
      {"[[listener.certificate]]", "chain", {"'a.pem'"}, {"''", "1", "\"a\\u0000b\""}},
      {"[[listener.certificate]]", "key", {"'a.pem'"}, {"''", "1"}},
      {"[[listener.certificate]]",
       "names",
       {"[]", "['www.example', '*.Example']", "['localhost']"},
       {"'a.example'", "['']", "['*']", "['*.']", "['a.*.example']", "['example.']",
        "['192.0.2.1']", "['b\u00fccher.example']", "['a.example', 'a.example']", "['a b']"}},
  };
}

std::vector<KeyCase> backend_keys() {
  return {
      {"[[backend]]", "name", {"'app'"}, {"1", "''", "'a b'"}},
      {"[[backend]]",
       "servers",
       {"['127.0.0.1:8080']",
        "['[::1]:1', 'app.internal:65535', { address = 'a:1', weight = 256 }]"},
       {"'127.0.0.1:1'", "['127.0.0.1']", "['127.0.0.1:0']", "['127.0.0.1:70000']", "['[a]:1']",
        "['::1:1']", "[1]", "[{ address = 'a:1', weight = 0 }]",
        "[{ address = 'a:1', weight = 257 }]", "[{ address = 1 }]", "['a b:1']"}},
      {"[[backend]]",
       "balance",
       {"'round_robin'", "'least_connections'", "'hash:client'"},
       {"'random'", "1", "'hash:header:'", "'hash:header:a b'", "'hash'", "''"}},
      {"[[backend]]", "proxy_protocol", {"'off'", "'v1'", "'v2'"}, {"'v3'", "2", "'on'"}},
      {"[[backend]]", "connect_timeout", {"'5s'", "'1ms'"}, {BAD_DURATIONS, "'0s'"}},
      {"[[backend]]",
       "first_byte_timeout",
       {"'60s'", "'1m'", "'1ms'"},
       {BAD_DURATIONS, "'0s'"},
       "http"},
      {"[[backend]]", "idle_timeout", {"'5m'", "'300s'", "'24h'"}, {BAD_DURATIONS, "'0s'"}, "http"},
      {"[[backend]]", "resolve_every", {"'30s'", "'100ms'"}, {BAD_DURATIONS, "'0s'"}},
      {"[[backend]]", "pool_idle", {"32", "0", "1000000"}, {"'32'", "-1", "1000001"}, "http"},
      {"[[backend]]", "pool_idle_timeout", {"'60s'", "'1ms'"}, {BAD_DURATIONS, "'0s'"}, "http"},
      {"[[backend]]", "max_connections", {"0", "10", "1000000"}, {"'0'", "-1", "1000001"}},
      {"[[backend]]", "queue", {"0"}, {"false", "-1", "1000001"}},
      {"[[backend]]", "slow_start", {"'0s'", "'0'", "'24h'"}, {BAD_DURATIONS, "'25h'"}},
      {"[[backend]]", "eject_after", {"5", "0", "1000"}, {"'5'", "-1", "1001"}},
      {"[[backend]]", "eject_for", {"'10s'", "'1m'"}, {BAD_DURATIONS, "'0s'"}},
      {"[[backend]]", "tls", {"false", "true"}, {"'no'"}, "http"},
      {"[[backend]]", "tls_ca", {"''"}, {"1", "\"a\\nb\""}},
      {"[[backend]]", "tls_server_name", {"''"}, {"1", "'a b'", "'*.example'", "'[::1]'"}},
      {"[[backend]]", "tls_verify", {"true"}, {"1"}},
      {"[backend.health]", "type", {"'off'", "'tcp'", "'http'"}, {"'ping'", "false"}},
      {"[backend.health]", "path", {"'/'"}, {"1", "'healthz'", "''", "'/a b'", "'/#a'"}},
      {"[backend.health]", "interval", {"'2s'"}, {BAD_DURATIONS, "'99ms'"}},
      {"[backend.health]", "timeout", {"'1s'"}, {BAD_DURATIONS, "'0s'"}},
      {"[backend.health]", "rise", {"2"}, {"'2'", "0", "1001"}},
      {"[backend.health]", "fall", {"3"}, {"'3'", "0", "1001"}},
  };
}

#undef BAD_DURATIONS

}  // namespace

const std::vector<KeyCase>& contract_keys() {
  static const std::vector<KeyCase> keys = [] {
    std::vector<KeyCase> all = global_keys();
    for (const auto& more : {listener_keys(), backend_keys()}) {
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  }();
  return keys;
}

}  // namespace usher::config
