#include "proxy/config/sections.h"

namespace usher::config {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kMemoryEntriesMax = 10'000'000;  // 400 bytes each: 4 GB
// A handshake waits so long at most: below it no network answers, above it nobody waits.
constexpr DurationRange kRedisTimeout{1ms, 10s};

constexpr std::string_view kRediss = "rediss://";

// The form only: what reads the whole URL lives with the connections to Redis.
bool is_redis_url(std::string_view text) {
  constexpr std::string_view kUnix = "unix://";
  const bool has_path =
      text.starts_with(kUnix) && text.find('/', kUnix.size()) != std::string_view::npos;
  return kPlainText.holds(text) &&
         (text.starts_with("redis://") || text.starts_with(kRediss) || has_path);
}

constexpr std::string_view kUrlForms =
    "redis://[[user]:password@]host[:port][/db] or unix://[[user]:password@]/path[?db=N], a list "
    "of "
    "them for a cluster, or \"\" for none";
const TextRule kRedisNode{is_redis_url, kUrlForms, TextRule::kSecret};
const TextRule kRedisUrl{[](std::string_view text) { return text.empty() || is_redis_url(text); },
                         kUrlForms, TextRule::kSecret};

void read_redis(Section& section, SessionCache& to) {
  to.redis_place = section.findings().place(section.line("redis"));
  std::vector<ListedText> urls;
  if (section.is_list("redis")) {
    urls = section.texts("redis", kRedisNode);
    to.redis_cluster = !urls.empty();
  } else {
    std::string url;
    section.text("redis", url, kRedisUrl);
    if (!url.empty()) {
      urls.push_back({std::move(url), section.line("redis")});
    }
  }
  for (ListedText& url : urls) {
    if (url.text.starts_with(kRediss)) {
      section.problem(url.line,
                      "'redis' in [session_cache] begins with \"rediss://\", but the hiredis of "
                      "this build has no TLS; expected \"redis://\" or \"unix://\"; take a tunnel "
                      "where the network is not yours");
    }
    to.redis.push_back(std::move(url.text));
  }
}

}  // namespace

void read_session_cache(Section& section, SessionCache& to) {
  to.place = section.findings().place(section.line());
  section.integer("memory_entries", to.memory_entries, 0, kMemoryEntriesMax);
  section.boolean("stateful_tls13", to.stateful_tls13);
  read_redis(section, to);
  section.duration("redis_timeout", to.redis_timeout, kRedisTimeout);
  section.finish();
  if (!section.good({"redis"}) || !to.redis.empty()) {
    return;
  }
  if (to.redis_timeout != SessionCache().redis_timeout) {
    refuse_without_effect(section, "redis_timeout", "there is no 'redis'", "'redis'");
  }
  if (to.stateful_tls13 && to.memory_entries == 0) {
    refuse_without_effect(section, "stateful_tls13",
                          "'memory_entries' is 0 and there is no 'redis'",
                          "one of both to keep the sessions in");
  }
}

void check_session_cache(Section& section, const SessionCache& cache,
                         const Section& tickets_section, const Tickets& tickets,
                         const Section& tls_section, const Tls& tls) {
  if (cache.stateful_tls13 && tls_section.good({"max_version"}) && tls.max_version < 0x0304) {
    refuse_without_effect(section, "stateful_tls13", "TLS 1.3 is off", "'max_version = \"1.3\"'");
  }
  if (cache.redis.empty() || !section.good({"redis"}) || !tickets_section.good({"source"})) {
    return;
  }
  const unsigned line = section.line("redis");
  switch (tickets.source) {
    case TicketSource::kKeyd:
      return;
    case TicketSource::kOff:
      section.problem(
          line,
          "'redis' needs ticket keys, and 'source' of [tickets] is \"off\": the keys of "
          "what Redis holds come from the ring; expected \"keyd\", \"file\" or "
          "\"embedded\" there; change one");
      return;
    case TicketSource::kFile:
      section.findings().warning(
          line,
          "'redis': other nodes can read the sessions there only while their "
          "tickets.file hold the same keys; tickets.source = \"keyd\" sees "
          "to that");
      return;
    case TicketSource::kEmbedded:
      section.findings().warning(
          line,
          "'redis': other nodes cannot read the sessions there: tickets.source is "
          "\"embedded\", so each node has its own keys; expected \"keyd\" "
          "where several nodes share a Redis");
  }
}

}  // namespace usher::config
