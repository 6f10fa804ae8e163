#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "proxy/base/bytes.h"
#include "proxy/base/openssl_ptr.h"
#include "proxy/keyring/base64.h"
#include "proxy/keyring/key_file_parts.h"
#include "proxy/keyring/ring_json.h"

namespace usher::keyring {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kExportedField = "exported";
constexpr std::string_view kChecksumField = "sha256";
constexpr std::size_t kKeyPairBytes = kAesKeySize + kHmacKeySize;
constexpr auto kAgeMsMax = static_cast<std::uint64_t>(kAgeMax.count());
constexpr auto kUnixMax = static_cast<std::uint64_t>(kUnixTimeMax.time_since_epoch().count());

std::string checksum_of(std::span<const std::byte> text) {
  std::array<std::byte, 32> digest{};
  CHECK(EVP_Q_digest(nullptr, "SHA256", nullptr, text.data(), text.size(), writable_uchars(digest),
                     nullptr) == 1);
  return hex(digest);
}

// The words of a line, between single spaces.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(line) {}

  std::string_view next() {
    const std::size_t end = std::min(rest_.find(' '), rest_.size());
    const std::string_view word = rest_.substr(0, end);
    ended_ = end == rest_.size();
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return word;
  }
  bool ended() const { return ended_; }  // next() gave the last word

 private:
  std::string_view rest_;
  bool ended_ = false;
};

std::optional<std::uint64_t> number(std::string_view text, std::uint64_t most) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > most) {
    return std::nullopt;
  }
  return value;
}

// Lower-case hexadecimal of exactly that many bytes, as the export has it.
bool unhex(std::string_view text, std::span<std::byte> into) {
  if (text.size() != 2 * into.size() ||
      text.find_first_not_of("0123456789abcdef") != std::string_view::npos) {
    return false;
  }
  for (std::size_t i = 0; i < into.size(); ++i) {
    unsigned value = 0;
    std::from_chars(text.data() + 2 * i, text.data() + 2 * i + 2, value, 16);
    into[i] = static_cast<std::byte>(value);
  }
  return true;
}

std::optional<KeyState> state_of(std::string_view text) {
  for (const KeyState state : {KeyState::kNext, KeyState::kCurrent, KeyState::kPrevious}) {
    if (text == name_of(state)) {
      return state;
    }
  }
  return std::nullopt;
}

// Reads the lines in their one order. The file's checksum was right, so whoever made it meant it.
class Parser {
 public:
  explicit Parser(const KeyFile& file) : file_(file), lines_(file) {}

  Result<KeyRing::Parts> parse() {
    for (auto step : {&Parser::checksum, &Parser::head, &Parser::keys}) {
      if (auto done = (this->*step)(); !done) {
        return Unexpected(std::move(done).error());
      }
    }
    parts_.entries = entries_of(std::move(keys_));
    return std::move(parts_);
  }

 private:
  // First of all, with lines of its own.
  Result<void> checksum() {
    Lines lines(file_);
    std::string_view before;
    std::string_view line;
    std::size_t offset = 0;
    while (lines.more()) {
      offset = lines.offset();
      before = std::exchange(line, lines.next());
    }
    read_exported(before);
    const auto covered = file_.bytes.bytes().first(offset);
    Words words(line);
    if (words.next() != kChecksumField || words.ended()) {
      return fail(lines.place() +
                  ": no checksum in the last line (\"sha256 HEX\"); the file is "
                  "not complete, export the keys again");
    }
    if (words.next() != checksum_of(covered) || !words.ended() ||
        text_of(file_.bytes.bytes()).back() != '\n') {
      return fail(lines.place() +
                  ": wrong checksum; the file was altered or cut, export the keys again");
    }
    return {};
  }

  // How much older the keys are than they were when they were exported; what is wrong with the line
  // is told when its turn comes.
  void read_exported(std::string_view line) {
    Words words(line);
    std::uint64_t seconds = 0;
    if (file_.wall && words.next() == kExportedField && read(words.next(), kUnixMax, seconds)) {
      const auto since = *file_.wall - UnixSeconds(std::chrono::seconds(seconds));
      since_export_ = std::clamp<milliseconds>(since, milliseconds(0), kAgeMax);
    }
  }

  Result<void> head() {
    if (lines_.next() != kUsherFirstLine) {
      return expected("\"" + std::string(kUsherFirstLine) + "\"");
    }
    auto name_key = std::make_shared<NameKey>();
    std::uint64_t last_epoch = 0;
    std::uint64_t seal = 0;
    std::uint64_t open = 0;
    std::uint64_t lineage = 0;
    if (!unhex(field("fleet"), parts_.tag)) {
      return expected("\"fleet\" and 8 hexadecimal digits");
    }
    if (!decode_base64(field("name_key"), name_key->bytes())) {
      return expected("\"name_key\" and 32 bytes in base64");
    }
    if (!read(field("last_epoch"), std::numeric_limits<std::uint32_t>::max(), last_epoch)) {
      return expected("\"last_epoch\" and a number below 2^32");
    }
    if (!read_or_none(field("seal_max_age_ms"), kAgeMsMax, seal)) {
      return expected("\"seal_max_age_ms\" and milliseconds up to ten years, or none");
    }
    if (!read_or_none(field("open_max_age_ms"), kAgeMsMax, open)) {
      return expected("\"open_max_age_ms\" and milliseconds up to ten years, or none");
    }
    if (!read_or_none(field("lineage_not_before"), kUnixMax, lineage)) {
      return expected("\"lineage_not_before\" and Unix seconds, or none");
    }
    parts_.name_key = std::move(name_key);
    parts_.last_epoch = static_cast<std::uint32_t>(last_epoch);
    parts_.policy = {seal == 0 ? std::nullopt : std::optional(milliseconds(seal)),
                     open == 0 ? std::nullopt : std::optional(milliseconds(open))};
    parts_.lineage_not_before = UnixSeconds(std::chrono::seconds(lineage));
    return {};
  }

  Result<void> keys() {
    while (lines_.more()) {
      Words words(lines_.next());
      const std::string_view kind = words.next();
      if (kind == kChecksumField && !lines_.more()) {
        return {};
      }
      if (kind == kExportedField) {
        return exported(words);
      }
      if (kind != "key") {
        return expected("\"key NAME EPOCH STATE AGE_MS BASE64\"");
      }
      if (keys_.size() == kMaxKeys) {
        return expected("at most " + std::to_string(kMaxKeys) + " keys");
      }
      if (auto read = key(words); !read) {
        return read;
      }
    }
    return {};
  }

  // The line before the checksum.
  Result<void> exported(Words& words) {
    std::uint64_t seconds = 0;
    if (!read(words.next(), kUnixMax, seconds) || !words.ended()) {
      return expected("\"exported\" and Unix seconds");
    }
    Words last(lines_.next());
    return last.next() == kChecksumField && !lines_.more() ? Result<void>()
                                                           : expected("\"sha256 HEX\" at the end");
  }

  Result<void> key(Words& words) {
    auto key = std::make_shared<TicketKey>();
    if (!unhex(words.next(), key->name)) {
      return expected("a key name of 32 hexadecimal digits");
    }
    const auto epoch = number(words.next(), parts_.last_epoch);
    if (!epoch) {
      return expected("an epoch up to last_epoch");
    }
    const auto state = state_of(words.next());
    if (!state) {
      return expected("next, current or previous");
    }
    const auto age = number(words.next(), kAgeMsMax);
    if (!age) {
      return expected("an age in milliseconds, up to ten years");
    }
    SecretBuffer pair(kKeyPairBytes);
    if (!decode_base64(words.next(), pair.bytes()) || !words.ended()) {
      return expected("64 bytes in base64 at the end of the line");
    }
    key->epoch = static_cast<std::uint32_t>(*epoch);
    key->created = file_.changed - std::min(milliseconds(*age) + since_export_, kAgeMax);
    std::ranges::copy(pair.bytes().first(kAesKeySize), key->aes.bytes().begin());
    std::ranges::copy(pair.bytes().last(kHmacKeySize), key->hmac.bytes().begin());
    return add_key(keys_, std::move(key), *state, lines_.place());
  }

  // The value of the next line, which must be of this field; "" (never a value) otherwise.
  std::string_view field(std::string_view name) {
    Words words(lines_.next());
    if (words.next() != name || words.ended()) {
      return {};
    }
    const std::string_view value = words.next();
    return words.ended() ? value : std::string_view();
  }

  static bool read(std::string_view text, std::uint64_t most, std::uint64_t& into) {
    const auto value = number(text, most);
    into = value.value_or(0);
    return value.has_value();
  }

  static bool read_or_none(std::string_view text, std::uint64_t most, std::uint64_t& into) {
    return text == "none" || (read(text, most, into) && into > 0);
  }

  Unexpected<Error> expected(const std::string& what) {
    return fail(lines_.place() + ": expected " + what);
  }

  const KeyFile& file_;
  Lines lines_;
  milliseconds since_export_{0};
  std::vector<PlacedKey> keys_;
  KeyRing::Parts parts_;
};

void add_field(SecretText& text, std::string_view name, std::string_view value) {
  text.add(name);
  text.add(" ");
  text.add(value);
  text.add("\n");
}

std::string limit_text(const std::optional<milliseconds>& limit) {
  return limit ? std::to_string(std::clamp(*limit, milliseconds(1), kAgeMax).count()) : "none";
}

void add_key_line(SecretText& text, const KeyRing::Entry& entry, BootClock::time_point now) {
  const TicketKey& key = *entry.key;
  const auto age = std::chrono::floor<milliseconds>(now - key.created);
  SecretBuffer pair(kKeyPairBytes);
  std::ranges::copy(key.aes.bytes(), pair.bytes().begin());
  std::ranges::copy(key.hmac.bytes(), pair.bytes().begin() + kAesKeySize);
  text.add("key " + hex(key.name) + ' ' + std::to_string(key.epoch) + ' ' + name_of(entry.state) +
           ' ' + std::to_string(std::clamp(age, milliseconds(0), kAgeMax).count()) + ' ');
  text.add_base64(pair.bytes());
  text.add("\n");
}

}  // namespace

Result<KeyRing::Parts> parse_usher(const KeyFile& file) {
  return Parser(file).parse();
}

Result<SecretBuffer> format_usher(const KeyRing& ring, BootClock::time_point now,
                                  std::optional<UnixSeconds> exported) {
  if (!ring.name_key()) {
    return fail(
        "these keys have no name key, so they are no ring; export them as nginx or haproxy");
  }
  SecretText text;
  text.add(kUsherFirstLine);
  text.add("\n");
  add_field(text, "fleet", hex(ring.tag()));
  text.add("name_key ");
  text.add_base64(ring.name_key()->bytes());
  text.add("\n");
  add_field(text, "last_epoch", std::to_string(ring.highest_epoch()));
  add_field(text, "seal_max_age_ms", limit_text(ring.policy().seal_max_age));
  add_field(text, "open_max_age_ms", limit_text(ring.policy().open_max_age));
  const auto lineage = ring.lineage_not_before().time_since_epoch().count();
  add_field(text, "lineage_not_before", lineage == 0 ? "none" : std::to_string(lineage));
  for (const KeyRing::Entry& entry : ring.entries()) {
    if (entry.key->size != KeySize::kAes256) {
      return fail("key " + hex(entry.key->name) +
                  " has 48 bytes (AES-128), and an usher file holds keys of 80 only; export as "
                  "nginx or haproxy");
    }
    add_key_line(text, entry, now);
  }
  if (exported) {
    add_field(text, kExportedField, std::to_string(exported->time_since_epoch().count()));
  }
  add_field(text, kChecksumField, checksum_of(text.bytes()));
  return text.copy();
}

}  // namespace usher::keyring
