#include "proxy/http/http2_head.h"

#include "proxy/http/framing.h"

namespace usher::http::http2 {
namespace {

// RFC 9113 §6.5.2: what a field costs besides its bytes.
constexpr std::size_t kFieldOverhead = 32;

}  // namespace

void KeptFields::keep(std::span<const Field> fields) {
  text_.clear();
  fields_.assign(fields.begin(), fields.end());
  for (const Field& field : fields_) {
    text_.append(field.name).append(field.value);
  }
  std::string_view rest = text_;
  for (Field& field : fields_) {
    field.name = rest.substr(0, field.name.size());
    field.value = rest.substr(field.name.size(), field.value.size());
    rest.remove_prefix(field.name.size() + field.value.size());
  }
}

void FieldSection::begin() {
  reject_ = Reject::kNone;
  list_size_ = 0;
  field_count_ = 0;
  text_.clear();
  entries_.clear();
  method_ = scheme_ = authority_ = path_ = Entry();
}

void FieldSection::refuse(Reject reason) {
  if (reject_ == Reject::kNone) {
    reject_ = reason;
  }
}

// Beyond the limits the bytes are dropped: the decoder has to see the section to its end all the
// same, or it would not understand the next one.
void FieldSection::add(std::string_view name, std::string_view value) {
  list_size_ += name.size() + value.size() + kFieldOverhead;
  if (list_size_ > limits_.bytes) {
    refuse(Reject::kHeadTooLarge);
    return;
  }
  if (add_pseudo(name, value)) {
    return;
  }
  Entry entry;
  entry.id = field_name_of(name);
  // A cookie may come in any number of pieces (RFC 9113 §8.2.3), which become one field again.
  const bool another_crumb = entry.id == FieldName::kCookie && !entries_.empty() &&
                             entries_.back().id == FieldName::kCookie;
  field_count_ += another_crumb ? 0 : 1;
  if (field_count_ > limits_.fields) {
    refuse(Reject::kTooManyFields);
    return;
  }
  entry.name_at = static_cast<std::uint32_t>(text_.size());
  entry.name_size = static_cast<std::uint32_t>(name.size());
  entry.value_size = static_cast<std::uint32_t>(value.size());
  text_.append(name).append(value);
  entries_.push_back(entry);
}

bool FieldSection::add_pseudo(std::string_view name, std::string_view value) {
  if (!name.starts_with(':')) {
    return false;
  }
  Entry* entry = name == ":method"      ? &method_
                 : name == ":scheme"    ? &scheme_
                 : name == ":authority" ? &authority_
                 : name == ":path"      ? &path_
                                        : nullptr;
  if (entry == nullptr) {
    refuse(Reject::kBadField);
    return true;
  }
  entry->name_at = static_cast<std::uint32_t>(text_.size());
  entry->value_size = static_cast<std::uint32_t>(value.size());
  text_.append(value);
  return true;
}

Field FieldSection::field(const Entry& entry) const {
  const std::string_view text(text_);
  return {entry.id, text.substr(entry.name_at, entry.name_size),
          text.substr(entry.name_at + entry.name_size, entry.value_size)};
}

Reject FieldSection::finish_request(bool ended, RequestHead& head) {
  head.clear();
  head.version = Version::k2;
  head.method_text = pseudo(method_);
  head.method = head.method_text == "HEAD" ? Method::kHead : Method::kOther;  // for a refusal
  head.authority = pseudo(authority_);
  head.target = pseudo(path_);
  head.body.kind = ended ? Body::Kind::kNone : Body::Kind::kChunked;
  for (const Entry& entry : entries_) {
    head.fields.push_back(field(entry));
  }
  if (reject_ != Reject::kNone) {
    return reject_;
  }
  if (!is_token(head.method_text)) {  // it begins a line towards the backend
    return Reject::kBadField;
  }
  if (head.method_text == "CONNECT") {  // has neither scheme nor path (RFC 9113 §8.5)
    return Reject::kBadMethod;
  }
  const std::string_view scheme = pseudo(scheme_);
  if (!same_name(scheme, "https") && !same_name(scheme, "http")) {
    return Reject::kBadTarget;
  }
  return check_request(head);
}

Reject FieldSection::finish_trailers(std::vector<Field>& trailers) {
  trailers.clear();
  for (const Entry& entry : entries_) {
    const Field trailer = field(entry);
    if (may_be_trailer(trailer)) {
      trailers.push_back(trailer);
    }
  }
  return reject_;
}

}  // namespace usher::http::http2
