#include "keyd/redis_script.h"

#include <array>
#include <charconv>

#include "keyd/sealed_state.h"

namespace usher::keyd {
namespace {

// Numbers are compared as decimal text: Lua's doubles would lose digits above 2^53.
constexpr std::string_view kPrelude = R"lua(
local lease, term, state, reports, ids = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local known = ARGV[3]
local verdict, extra = 'done', ''
local function digits(text)
  if text and string.match(text, '^[1-9]%d*$') then return text end
  return '0'
end
local function less(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end
local now = redis.call('TIME')
local milliseconds = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))
local mine = ARGV[1] ~= '' and redis.call('GET', lease) == ARGV[1]
)lua";

constexpr std::string_view kTakeLua = R"lua(
if redis.call('EXISTS', lease) == 1 then
  verdict = 'taken'
elseif (redis.call('HGET', state, 'id') or '') ~= known then
  verdict = 'changed'
else
  local highest = digits(redis.call('GET', term))
  local stored = digits(redis.call('HGET', state, 'term'))
  if less(highest, stored) then highest = stored end
  if less(highest, ARGV[7]) then highest = ARGV[7] end
  redis.call('SET', term, highest)
  redis.call('INCR', term)
  extra = redis.call('GET', term)
  redis.call('SET', lease, ARGV[1], 'PX', ARGV[2])
  redis.call('HDEL', reports, ARGV[5])
  redis.call('HDEL', ids, ARGV[5])
end
)lua";

constexpr std::string_view kHoldLua = R"lua(
if not mine then
  verdict = 'lost'
elseif ARGV[7] == '1' then
  redis.call('PEXPIRE', lease, ARGV[2])
end
)lua";

constexpr std::string_view kSaveLua = R"lua(
local stored = redis.call('HMGET', state, 'term', 'version')
local stored_term, stored_version = digits(stored[1]), digits(stored[2])
if not mine then
  verdict = 'lost'
elseif less(ARGV[8], stored_term) or
       (ARGV[8] == stored_term and less(ARGV[9], stored_version)) then
  verdict = 'newer'
elseif (redis.call('HGET', state, 'id') or '') ~= known then
  verdict = 'changed'
else
  redis.call('HSET', state, 'id', ARGV[7], 'term', ARGV[8], 'version', ARGV[9], 'sealed', ARGV[10])
  if less(digits(redis.call('GET', term)), ARGV[8]) then redis.call('SET', term, ARGV[8]) end
  redis.call('PEXPIRE', lease, ARGV[2])
  known = ARGV[7]
end
)lua";

constexpr std::string_view kReportLua = R"lua(
local stamp = milliseconds .. '-' .. ARGV[8]
redis.call('HSET', reports, ARGV[5], ARGV[7])
redis.call('HSET', ids, ARGV[5], stamp, 'last', stamp)
local stamps = redis.call('HGETALL', ids)
local left, oldest, oldest_time = #stamps / 2 - 1, '', math.huge
for i = 1, #stamps, 2 do
  local time = tonumber(string.match(stamps[i + 1], '^%d+')) or 0
  if stamps[i] ~= 'last' and stamps[i] ~= ARGV[5] then
    if time < milliseconds - 3600000 then
      redis.call('HDEL', reports, stamps[i])
      redis.call('HDEL', ids, stamps[i])
      left = left - 1
    elseif time < oldest_time then
      oldest, oldest_time = stamps[i], time
    end
  end
end
if left > 32 and oldest ~= '' then
  redis.call('HDEL', reports, oldest)
  redis.call('HDEL', ids, oldest)
end
)lua";

constexpr std::string_view kReleaseLua = R"lua(
if mine then redis.call('DEL', lease) end
)lua";

constexpr std::string_view kAnswer = R"lua(
local saved = redis.call('HMGET', state, 'id', 'term', 'version')
local id = saved[1] or ''
local sealed = ''
if id ~= known then sealed = redis.call('HGET', state, 'sealed') or '' end
local last = redis.call('HGET', ids, 'last') or ''
local told = {}
if ARGV[6] == '1' and last ~= ARGV[4] then
  local all, bytes = redis.call('HGETALL', reports), 0
  for i = 1, #all, 2 do
    bytes = bytes + #all[i] + #all[i + 1]
    if bytes <= 8000000 and #told < 128 then
      told[#told + 1] = all[i]
      told[#told + 1] = all[i + 1]
    end
  end
end
return {verdict, extra, redis.call('GET', lease) or '', milliseconds, id, digits(saved[2]),
        digits(saved[3]), sealed, last, redis.call('HGET', ids, ARGV[5]) or '', told}
)lua";

constexpr std::size_t kAnswerElements = 11;
// What kAnswer holds itself to: reports of 64 keyds, 8 MB of them.
constexpr std::size_t kToldMax = 128;
constexpr std::size_t kToldBytesMax = 8'000'000;

std::string_view lua_of(StoreAction action) {
  switch (action) {
    case StoreAction::kLook:
      return "";
    case StoreAction::kTake:
      return kTakeLua;
    case StoreAction::kHold:
      return kHoldLua;
    case StoreAction::kSave:
      return kSaveLua;
    case StoreAction::kReport:
      return kReportLua;
    case StoreAction::kRelease:
      break;
  }
  return kReleaseLua;
}

std::optional<Verdict> verdict_of(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, Verdict>, 5> kVerdicts{
      {{"done", Verdict::kDone},
       {"lost", Verdict::kLost},
       {"taken", Verdict::kTaken},
       {"changed", Verdict::kChanged},
       {"newer", Verdict::kNewer}}};
  for (const auto& [name, verdict] : kVerdicts) {
    if (name == text) {
      return verdict;
    }
  }
  return std::nullopt;
}

// 0 for no number: what only a stranger to our scripts can have stored.
std::uint64_t number_of(const std::string& text) {
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end ? number : 0;
}

}  // namespace

const redis::Expected kStoreViewExpected{static_cast<std::uint8_t>(redis::Reply::Type::kArray),
                                         kSealOverhead + kStateBytesMax + kToldBytesMax + 4096,
                                         kAnswerElements + kToldMax};

std::vector<std::string> script_command(StoreAction action, const std::string& fleet,
                                        const StoreCall& call,
                                        const std::vector<std::string_view>& arguments) {
  std::vector<std::string> command{"EVAL", std::string(kPrelude), "5"};
  command[1] += lua_of(action);
  command[1] += kAnswer;
  for (const char* key : {"lease", "term", "state", "reports", "report_ids"}) {
    command.push_back("{usher:keyd:" + fleet + "}:" + key);
  }
  command.insert(command.end(), {std::string(call.lease), std::to_string(call.lease_time.count()),
                                 std::string(call.known_id), std::string(call.known_last_report),
                                 std::string(call.keyd), call.wants_reports ? "1" : "0"});
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

std::optional<StoreView> view_of(redis::Reply reply) {
  using Type = redis::Reply::Type;
  std::vector<redis::Reply>& parts = reply.elements;
  if (parts.size() != kAnswerElements || !parts.back().is(Type::kArray)) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    if (!parts[i].is(Type::kString)) {
      return std::nullopt;
    }
  }
  const auto verdict = verdict_of(parts[0].text);
  if (!verdict) {
    return std::nullopt;
  }
  StoreView view;
  view.verdict = *verdict;
  view.term = number_of(parts[1].text);
  view.lease = std::move(parts[2].text);
  view.time = WallTime(std::chrono::milliseconds(
      static_cast<std::int64_t>(number_of(parts[3].text) & 0xffff'ffff'ffff)));
  view.id = std::move(parts[4].text);
  view.version = {number_of(parts[5].text), number_of(parts[6].text)};
  view.sealed = std::move(parts[7].text);
  view.last_report = std::move(parts[8].text);
  view.own_report = std::move(parts[9].text);
  std::vector<redis::Reply>& reports = parts[10].elements;
  for (std::size_t i = 0; i + 1 < reports.size(); i += 2) {
    view.reports.emplace_back(std::move(reports[i].text), std::move(reports[i + 1].text));
  }
  return view;
}

}  // namespace usher::keyd
