#include "proxy/http/http1_connection.h"

#include <algorithm>
#include <utility>

#include "proxy/http/head_parser.h"

namespace usher::http {
namespace {

// What a client may send ahead of the answer to its request.
constexpr std::size_t kPipelinedMax = 16 * 1024;

}  // namespace

Http1Connection::Http1Connection(relay::ClientPort& port, std::shared_ptr<const Site> site)
    : client_{port, std::move(site), nullptr} {}

Http1Connection::~Http1Connection() = default;

void Http1Connection::on_bytes(ByteView plain) {
  if (in_.empty()) {
    const std::size_t taken = drive(plain);
    if (reads_ != Reads::kEnded) {
      keep(plain.subspan(taken));
    }
    return;
  }
  in_.append(plain);
  drive_held();
}

void Http1Connection::drive_held() {
  in_.consume(drive(in_.view()));
  if (in_.empty() || reads_ == Reads::kEnded) {
    in_.clear();
    in_.release();
  }
}

void Http1Connection::keep(ByteView rest) {
  if (!rest.empty()) {
    in_.reserve(rest.size());
    in_.append(rest);
  }
}

// Returns how much of `input` is done with.
std::size_t Http1Connection::drive(ByteView input) {
  driving_ = true;
  std::size_t taken = 0;
  for (bool goes_on = true; goes_on;) {
    const ByteView rest = input.subspan(taken);
    const Reads before = reads_;
    std::size_t step = 0;
    switch (reads_) {
      case Reads::kHead:
        step = rest.empty() ? 0 : take_head(rest);
        break;
      case Reads::kContent:  // which may end without another byte
        step = take_content(rest);
        break;
      case Reads::kTunnel:
        exchange_->send_request_body(rest);
        step = rest.size();
        break;
      case Reads::kNothing:
      case Reads::kEnded:
        break;
    }
    taken += step;
    goes_on = step > 0 || reads_ != before;
  }
  driving_ = false;
  return taken;
}

std::size_t Http1Connection::take_head(ByteView input) {
  static thread_local RequestHead head;  // used within one call, for its memory
  const HeadResult result =
      parse_request_head(input, searched_, client_.site->settings().limits, head);
  switch (result.status) {
    case HeadResult::Status::kIncomplete:
      searched_ = static_cast<std::uint32_t>(input.size());
      if (head_since_ == uv::LoopTime(0)) {
        head_since_ = client_.port.services().loop.now();
      }
      return 0;
    case HeadResult::Status::kRefused:
      refuse(result.reject);
      return 0;
    case HeadResult::Status::kComplete:
      begin_exchange(head);
      return result.size;
  }
  return 0;
}

void Http1Connection::begin_exchange(const RequestHead& head) {
  searched_ = 0;
  head_since_ = uv::LoopTime(0);
  version_ = head.version;
  keep_alive_ = head.keep_alive && !draining_;
  chunked_ = false;
  asked_ = true;
  reads_ = Reads::kNothing;
  if (head.body.kind != Body::Kind::kNone) {
    reads_ = Reads::kContent;
    content_ = std::make_unique<BodyDecoder>();
    content_->begin(head.body);
  }
  exchange_ = std::make_unique<Exchange>(client_, *this);
  exchange_->start(head);
}

std::size_t Http1Connection::take_content(ByteView input) {
  const BodyDecoder::Step step = content_->decode(input);
  switch (step.status) {
    case BodyDecoder::Status::kContent:
      exchange_->send_request_body(step.content);
      return step.taken;
    case BodyDecoder::Status::kMore:
      return step.taken;
    case BodyDecoder::Status::kEnd:
      reads_ = Reads::kNothing;
      exchange_->end_request(content_->trailers());
      content_.reset();
      return step.taken;
    case BodyDecoder::Status::kBroken:
      refuse(Reject::kBadChunk);
      return 0;
  }
  return 0;
}

// The connection ends with it: where the next request begins is unknown.
void Http1Connection::refuse(Reject reject) {
  keep_alive_ = false;
  if (!exchange_) {
    exchange_ = std::make_unique<Exchange>(client_, *this);
  }
  exchange_->refuse(reject, nullptr);
}

std::size_t Http1Connection::room() const {
  switch (reads_) {
    case Reads::kHead: {
      const std::size_t most = client_.site->settings().limits.bytes;
      return in_.size() < most ? most - in_.size() : 1;  // the parser refuses what is too long
    }
    case Reads::kContent:
    case Reads::kTunnel:
      return exchange_->request_room();
    case Reads::kNothing:
      return in_.size() < kPipelinedMax ? kPipelinedMax - in_.size() : 0;
    case Reads::kEnded:
      break;
  }
  return 0;
}

void Http1Connection::on_client_ended(bool truncated) {
  client_ended_ = true;
  truncated_ = truncated;
  heed_client_end();
}

// Also when a request begins or ends afterwards: some may have been waiting when the client ended.
void Http1Connection::heed_client_end() {
  if (!client_ended_) {
    return;
  }
  switch (reads_) {
    case Reads::kTunnel:
      truncated_ ? give_up() : exchange_->end_request({});
      return;
    case Reads::kContent:
      give_up();
      return;
    case Reads::kHead:
      end(truncated_ ? relay::CloseReason::kClientTruncated : relay::CloseReason::kFinished);
      return;
    case Reads::kNothing:  // after a clean end the answers to what was asked are still wanted
      if (truncated_) {
        give_up();
      }
      return;
    case Reads::kEnded:
      return;
  }
}

void Http1Connection::give_up() {
  exchange_->cancel("client_gone");
  client_.port.services().retired.push_back(std::move(exchange_));
  write_out();  // the answers to earlier requests
  reads_ = Reads::kEnded;
  client_.port.cut_off(relay::CloseReason::kClientTruncated);
}

void Http1Connection::on_writable() {
  if (exchange_) {
    exchange_->on_client_room();
  }
}

void Http1Connection::before_commit() {
  write_out();
}

uv::LoopTime Http1Connection::deadline() const {
  if (exchange_) {
    return exchange_->deadline();
  }
  const Site::Settings& settings = client_.site->settings();
  if (head_since_ != uv::LoopTime(0)) {
    return head_since_ + settings.head_timeout;
  }
  const auto idle =
      draining_ ? std::min(settings.idle_timeout, settings.head_timeout) : settings.idle_timeout;
  return client_.port.last_activity() + idle;
}

void Http1Connection::on_deadline() {
  if (exchange_) {
    exchange_->on_deadline();
  } else if (head_since_ != uv::LoopTime(0)) {
    refuse(Reject::kHeadTimeout);
  } else {
    end(relay::CloseReason::kIdleTimeout);
  }
}

void Http1Connection::drain() {
  draining_ = true;
  keep_alive_ = false;
  // A new connection's first request is on its way: without an answer the client would not know
  // whether to ask again.
  if (!exchange_ && in_.empty() && asked_) {
    end(relay::CloseReason::kFinished);
  }
}

void Http1Connection::stop() {
  reads_ = Reads::kEnded;
  drop_out();
  if (exchange_) {
    exchange_->cancel("client_gone");
    client_.port.services().retired.push_back(std::move(exchange_));
  }
}

void Http1Connection::end(relay::CloseReason reason) {
  write_out();
  reads_ = Reads::kEnded;
  client_.port.end(reason);
}

}  // namespace usher::http
