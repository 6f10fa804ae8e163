// Exchange: what the backend says.
#include <algorithm>

#include "proxy/http/date.h"
#include "proxy/http/exchange.h"
#include "proxy/http/head_parser.h"

namespace usher::http {
namespace {

// A backend's head above this is refused: the largest that servers send by default are 8 to 64 KiB.
constexpr HeadLimits kResponseLimits{128 * 1024, 500};
// 1xx responses to one request: a few early hints and continues; more is a broken backend.
constexpr std::uint8_t kInformationalMax = 32;
// Their heads together: none waits for room at the client. As much as a request's by default.
constexpr std::size_t kInformationalBytesMax = 32 * 1024;
// While a head is awaited: it and what comes along with it.
constexpr std::size_t kFirstReadMax = 256 * 1024;

// RFC 9110 §6.6.1: whoever receives and forwards a response without Date says when that was. The
// value lives until the thread's next look at the clock.
void add_date(ResponseHead& head) {
  const bool dated = std::any_of(head.fields.begin(), head.fields.end(),
                                 [](const Field& field) { return same_name(field.name, "date"); });
  if (!dated && head.status >= 200) {
    head.fields.push_back({FieldName::kOther, "Date", http_date(unix_now())});
  }
}

}  // namespace

void Exchange::on_link_readable() {
  const std::size_t room = std::max<std::size_t>(stream_.response_room(), 1);
  const std::size_t most = state_ == State::kAwaitingHead ? std::min(room, kFirstReadMax) : room;
  ByteView got;
  const uv::IoResult result = link_->receive(most, got);
  switch (result.status) {
    case uv::IoStatus::kProgress:
      since_ = now();
      take_response(got);
      break;
    case uv::IoStatus::kBlocked:
      return;
    case uv::IoStatus::kEnded:
      on_backend_ended();
      break;
    case uv::IoStatus::kFailed:
      on_backend_broken(backend::BackendMetrics::kReset, "backend_reset");
      break;
  }
  client_.port.commit();
  if (state_ >= State::kAwaitingHead && state_ != State::kDone && link_) {
    link_->read_on(stream_.response_room() > 0);
  }
}

void Exchange::take_response(ByteView bytes) {
  if (state_ != State::kAwaitingHead) {
    take_content(bytes);
    return;
  }
  if (!request_.empty()) {
    forget_request();
  }
  if (response_in_.empty()) {
    const std::size_t taken = take_heads(bytes, 0);
    if (state_ == State::kAwaitingHead) {
      response_in_.append(bytes.subspan(taken));
    } else if (state_ != State::kDone) {
      take_content(bytes.subspan(taken));
    }
    return;
  }
  ByteQueue in = std::move(response_in_);
  const std::size_t seen = in.size();
  in.append(bytes);
  const std::size_t taken = take_heads(in.view(), seen);
  if (state_ == State::kAwaitingHead) {
    in.consume(taken);
    response_in_ = std::move(in);
  } else if (state_ != State::kDone) {
    take_content(in.view().subspan(taken));
  }
}

// Any number of 1xx heads, then the response's. Returns how many bytes they had. `seen` bytes of
// the first were there before.
std::size_t Exchange::take_heads(ByteView bytes, std::size_t seen) {
  static thread_local ResponseHead head;  // used within one call, for its memory
  std::size_t taken = 0;
  while (state_ == State::kAwaitingHead) {
    const HeadResult result =
        parse_response_head(bytes.subspan(taken), seen, kResponseLimits, method_, head);
    seen = 0;
    if (result.status == HeadResult::Status::kIncomplete) {
      return taken;
    }
    taken += result.size;
    if (result.status == HeadResult::Status::kRefused) {
      on_backend_broken(backend::BackendMetrics::kMalformed, "backend_malformed",
                        name_of(result.reject));
      return taken;
    }
    add_date(head);
    if (!deliver_head(head, result.size)) {
      on_backend_broken(backend::BackendMetrics::kMalformed, "backend_malformed");
    }
  }
  return taken;
}

// `size`: of the head, in bytes. False: no answer to this request.
bool Exchange::deliver_head(const ResponseHead& head, std::size_t size) {
  if (head.status == 101) {
    if (!upgrade_asked_ || version_ == Version::k2) {
      return false;
    }
    state_ = State::kTunnel;
    request_ended_ = false;  // the client's direction begins anew
  } else if (head.status < 200) {
    informational_bytes_ += size;
    if (++informational_ >= kInformationalMax || informational_bytes_ > kInformationalBytesMax) {
      return false;
    }
    if (version_ != Version::k10) {
      stream_.send_informational(head);
    }
    return true;
  } else {
    state_ = State::kRelaying;
  }
  group_->note_success(link_->server());
  record_.note_response();
  record_.status = head.status;
  link_reusable_ = head.keep_alive;
  response_body_.begin(head.body);
  head_sent_ = true;
  stream_.send_head(head);
  return true;
}

void Exchange::take_content(ByteView bytes) {
  if (state_ == State::kTunnel) {
    record_.bytes_out += bytes.size();
    stream_.send_body(bytes);
    return;
  }
  while (state_ == State::kRelaying) {
    const BodyDecoder::Step step = response_body_.decode(bytes);
    bytes = bytes.subspan(step.taken);
    switch (step.status) {
      case BodyDecoder::Status::kContent:
        record_.bytes_out += step.content.size();
        stream_.send_body(step.content);
        break;
      case BodyDecoder::Status::kMore:
        return;
      case BodyDecoder::Status::kEnd:
        link_reusable_ =
            link_reusable_ && bytes.empty();  // what nobody asked for belongs to nobody
        finish_response();
        return;
      case BodyDecoder::Status::kBroken:
        on_backend_broken(backend::BackendMetrics::kMalformed, "backend_malformed");
        return;
    }
  }
}

void Exchange::on_backend_ended() {
  switch (state_) {
    case State::kAwaitingHead:
      on_backend_broken(backend::BackendMetrics::kReset, "backend_closed");
      return;
    case State::kRelaying:
      if (response_body_.may_end_here()) {
        link_reusable_ = false;
        finish_response();
      } else {
        on_backend_broken(backend::BackendMetrics::kReset, "backend_truncated");
      }
      return;
    case State::kTunnel:
      link_reusable_ = false;
      backend_ended_ = true;
      stream_.send_tunnel_end() ? finish_tunnel() : finish_response();
      return;
    default:
      return;
  }
}

void Exchange::on_backend_broken(backend::BackendMetrics::Failure failure, std::string_view reason,
                                 std::string_view detail) {
  const bool nothing_came = state_ == State::kAwaitingHead && response_in_.empty();
  if (nothing_came && failure == backend::BackendMetrics::kReset && may_repeat() &&
      informational_ == 0) {
    repeat(reason);
    return;
  }
  group_->note_failure(link_->server(), failure, detail.empty() ? reason : detail);
  fail(502, reason);
}

// Both have ended, and the backend has got all.
void Exchange::finish_tunnel() {
  if (backend_ended_ && request_ended_ && link_->waiting_bytes() == 0) {
    finish_response();
  }
}

void Exchange::finish_response() {
  link_reusable_ = link_reusable_ && request_ended_ && link_->waiting_bytes() == 0;
  const std::span<const Field> trailers = response_body_.trailers();
  stream_.send_end(trailers);
  release_link();
  complete("ok");
}

}  // namespace usher::http
