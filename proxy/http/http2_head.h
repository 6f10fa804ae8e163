#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/http/head_parser.h"
#include "proxy/http/message.h"
#include "proxy/http/reject.h"

namespace usher::http::http2 {

// Fields whose bytes it owns: what has to wait.
class KeptFields {
 public:
  void keep(std::span<const Field> fields);  // in place of what was kept
  const std::vector<Field>& fields() const { return fields_; }

 private:
  std::string text_;
  std::vector<Field> fields_;
};

// A field section of a request as it is decoded, and what it says. Field sections of a connection
// never mix (RFC 9113 §4.3), so one serves all its streams and its memory is used again. nghttp2
// has checked before: lower-case names, values without CTL, pseudo-header fields in place and not
// repeated, no connection-specific field. Pure. Thread: one. Owner: an Http2Connection.
class FieldSection {
 public:
  explicit FieldSection(const HeadLimits& limits) : limits_(limits) {}

  void begin();
  void add(std::string_view name, std::string_view value);
  // A field was none (RFC 9113 §8.2.1).
  void add_malformed() { refuse(Reject::kBadField); }

  // `ended`: END_STREAM came with it. On kNone `head` is a request; views in it live until begin().
  // Else the method may still be told.
  Reject finish_request(bool ended, RequestHead& head);
  // Without those that frame, route or authenticate (RFC 9110 §6.5.1). Views live until begin().
  Reject finish_trailers(std::vector<Field>& trailers);

 private:
  struct Entry {
    FieldName id = FieldName::kOther;
    std::uint32_t name_at = 0;
    std::uint32_t name_size = 0;
    std::uint32_t value_size = 0;  // right behind the name
  };
  void refuse(Reject reason);
  bool add_pseudo(std::string_view name, std::string_view value);
  Field field(const Entry& entry) const;
  std::string_view pseudo(const Entry& entry) const { return field(entry).value; }

  HeadLimits limits_;
  Reject reject_ = Reject::kNone;
  std::size_t list_size_ = 0;  // RFC 9113 §6.5.2
  std::size_t field_count_ = 0;
  std::string text_;
  std::vector<Entry> entries_;
  Entry method_;
  Entry scheme_;
  Entry authority_;
  Entry path_;
};

}  // namespace usher::http::http2
