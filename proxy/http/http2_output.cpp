// Http2Connection: responses into nghttp2, frames into the port.
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "proxy/http/forwarding.h"
#include "proxy/http/http2_connection.h"
#include "proxy/http/http2_limits.h"
#include "proxy/http/http2_session.h"

namespace usher::http {
namespace {

// A response's fields for nghttp2, which copies them and makes names lower case. Views live through
// the call.
class Fields {
 public:
  Fields() { list().clear(); }

  void add(std::string_view name, std::string_view value,
           std::uint8_t flags = NGHTTP2_NV_FLAG_NONE) {
    // nghttp2 takes mutable pointers and does not write.
    list().push_back({const_cast<std::uint8_t*>(uchars(bytes_of(name))),
                      const_cast<std::uint8_t*>(uchars(bytes_of(value))), name.size(), value.size(),
                      flags});
  }
  void add_number(std::string_view name, std::uint64_t number) {
    std::array<char, 20>& digits = numbers_.at(used_++);
    char* end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    add(name, {digits.data(), static_cast<std::size_t>(end - digits.data())});
  }
  void add_all(const ResponseHead& head, bool without_hsts) {
    for (const Field& field : head.fields) {
      const bool replaced = without_hsts && field.id == FieldName::kStrictTransportSecurity;
      if (!replaced && goes_to_client(head, field)) {
        // Each value is used once: in the dynamic table it would only displace others.
        const bool unique = field.id == FieldName::kXRequestId;
        add(field.name, field.value, unique ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE);
      }
    }
  }
  const nghttp2_nv* data() const { return list().data(); }
  std::size_t size() const { return list().size(); }

 private:
  static std::vector<nghttp2_nv>& list() {
    static thread_local std::vector<nghttp2_nv> fields;  // used within one call, for its memory
    return fields;
  }
  std::array<std::array<char, 20>, 2> numbers_;
  std::size_t used_ = 0;
};

std::uint32_t code_of(Http2Connection::Reset reason) {
  switch (reason) {
    case Http2Connection::Reset::kNoError:
      return NGHTTP2_NO_ERROR;
    case Http2Connection::Reset::kInternalError:
      return NGHTTP2_INTERNAL_ERROR;
    case Http2Connection::Reset::kCancel:
      return NGHTTP2_CANCEL;
    case Http2Connection::Reset::kProtocolError:
      return NGHTTP2_PROTOCOL_ERROR;
  }
  return NGHTTP2_INTERNAL_ERROR;
}

}  // namespace

void Http2Connection::submit_informational(Http2Stream& stream, const ResponseHead& head) {
  Fields fields;
  fields.add_number(":status", head.status);
  fields.add_all(head, false);
  CHECK(nghttp2_submit_headers(session_.get(), NGHTTP2_FLAG_NONE, stream.id(), nullptr,
                               fields.data(), fields.size(), nullptr) != NGHTTP2_ERR_NOMEM);
}

// Where no content follows, END_STREAM goes with the head.
void Http2Connection::submit_head(Http2Stream& stream, const ResponseHead& head) {
  const std::string& hsts = client_.site->settings().hsts;
  Fields fields;
  fields.add_number(":status", head.status);
  if (head.content_length) {
    fields.add_number("content-length", *head.content_length);
  }
  fields.add_all(head, !hsts.empty());
  if (!hsts.empty()) {
    fields.add("strict-transport-security", hsts);
  }
  const bool has_content = head.body.kind != Body::Kind::kNone;
  const nghttp2_data_provider provider{{.ptr = nullptr}, http2::next_data_frame};
  CHECK(nghttp2_submit_response(session_.get(), stream.id(), fields.data(), fields.size(),
                                has_content ? &provider : nullptr) != NGHTTP2_ERR_NOMEM);
}

// Called while the last DATA frame is made: they follow it.
void Http2Connection::submit_trailers(Http2Stream& stream) {
  Fields fields;
  for (const Field& field : stream.trailers()->fields()) {
    fields.add(field.name, field.value);
  }
  CHECK(nghttp2_submit_trailer(session_.get(), stream.id(), fields.data(), fields.size()) !=
        NGHTTP2_ERR_NOMEM);
}

void Http2Connection::resume(Http2Stream& stream) {
  nghttp2_session_resume_data(session_.get(), stream.id());
}

void Http2Connection::reset(Http2Stream& stream, Reset reason) {
  CHECK(nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream.id(),
                                  code_of(reason)) != NGHTTP2_ERR_NOMEM);
}

void Http2Connection::consume(Http2Stream& stream, std::size_t bytes) {
  nghttp2_session_consume(session_.get(), stream.id(), bytes);
}

// Many streams have something to say in one turn: it leaves with one write at the turn's end, when
// the deadlines of all are looked at anew, too.
void Http2Connection::before_commit() {
  if (over_) {
    return;
  }
  if (flushing_) {
    send_output();
    if (!over_ && nghttp2_session_want_read(session_.get()) == 0 &&
        nghttp2_session_want_write(session_.get()) == 0) {
      client_.port.end(reason_);
    }
    due_ = next_deadline();
  } else if (!flush_due_) {
    flush_due_ = true;
    client_.port.services().loop.defer([self = self_] {
      if (*self != nullptr) {
        (*self)->flush();
      }
    });
  }
}

void Http2Connection::flush() {
  flush_due_ = false;
  flushing_ = true;
  client_.port.commit();
  flushing_ = false;
}

void Http2Connection::send_output() {
  static thread_local ByteQueue buffer(http2::kGatherMax + http2::kFrameContent);
  gathered_ = &buffer;
  bool more = true;
  while (more && !over_) {
    const std::size_t room = client_.port.output_room();
    blocked_ = room == 0 && nghttp2_session_want_write(session_.get()) != 0;
    if (room == 0) {
      break;
    }
    more = gather(std::min(room, http2::kGatherMax));
    client_.port.write(buffer.view());
    buffer.clear();
    ask_for_content();
  }
  gathered_ = nullptr;
}

// Makes frames until there are `most` bytes, or a little more: true; false: there are no more.
bool Http2Connection::gather(std::size_t most) {
  gather_most_ = most;
  paused_ = false;
  while (gathered_->size() < most) {
    const std::uint8_t* frame = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_.get(), &frame);
    CHECK(size >= 0);  // out of memory, or a callback of ours failed
    if (size == 0) {
      return paused_;
    }
    gathered_->append(std::as_bytes(std::span(frame, static_cast<std::size_t>(size))));
  }
  return true;
}

void Http2Connection::ask_for_content() {
  while (!hungry_.empty()) {
    const std::int32_t id = hungry_.back();
    hungry_.pop_back();
    Http2Stream* stream = stream_of(id);
    if (stream != nullptr && stream->wants_content()) {
      stream->ask_for_content();
    }
  }
}

}  // namespace usher::http
