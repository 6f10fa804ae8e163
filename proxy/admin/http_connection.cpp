#include "proxy/admin/http_connection.h"

#include <utility>

#include "proxy/admin/json_response.h"

namespace usher::admin {
namespace {

// Lingering: closing while the client still sends would reset the connection and could destroy the
// response before it is read. So it is read on, within these bounds.
constexpr std::chrono::milliseconds kLingerTime(2'000);
constexpr std::size_t kLingerBytes = 256 * 1024;

}  // namespace

HttpConnection::HttpConnection(uv::Loop& loop, Access access,
                               const HttpServer::LaterHandler& handler,
                               const HttpServer::Limits& limits,
                               std::function<void(HttpConnection&)> on_end)
    : loop_(loop),
      access_(access),
      handler_(handler),
      limits_(limits),
      on_end_(std::move(on_end)),
      active_at_(loop.now()),
      reader_(access) {
  timer_.open<&HttpConnection::on_timeout>(loop, *this);
}

bool HttpConnection::open(UniqueFd socket) {
  if (!stream_.adopt<&HttpConnection::on_ready>(loop_, std::move(socket), *this)) {
    return false;
  }
  stream_.watch(true, false);
  timer_.start(limits_.idle);
  return true;
}

void HttpConnection::close() {
  if (state_ == State::kClosed) {
    return;
  }
  state_ = State::kClosed;
  forget_answer();
  timer_.close();
  stream_.close();
  on_end_(*this);
}

void HttpConnection::on_ready(uv::Ready ready) {
  if (ready.failed) {
    close();
    return;
  }
  active_at_ = loop_.now();
  switch (state_) {
    case State::kReading:
      if (ready.writable) {
        process();  // a pipelined request that waited for its turn
      } else {
        receive();
      }
      break;
    case State::kAnswering:
      break;  // nothing is watched: a peer that failed is met when it is written to
    case State::kWriting:
      send();
      break;
    case State::kLingering:
      discard();
      break;
    case State::kClosed:
      break;
  }
}

void HttpConnection::on_timeout() {
  if (state_ == State::kAnswering) {
    forget_answer();
    refuse_late(503, "no answer in time; ask again for what has become of it");
  } else if (state_ == State::kReading && (reader_.begun() || !input_.empty())) {
    refuse_late(408, "the request took too long to arrive");
  } else {
    close();
  }
}

void HttpConnection::refuse_late(int status, std::string_view why) {
  timer_.start(kLingerTime);
  refuse(error_response(status, why));
}

void HttpConnection::receive() {
  const bool first = !reader_.begun() && input_.empty();
  const uv::IoResult result = stream_.read(input_.room());
  if (result.status == uv::IoStatus::kBlocked) {
    return;
  }
  if (result.status != uv::IoStatus::kProgress) {
    close();
    return;
  }
  if (first) {
    timer_.start(limits_.request);
  }
  input_.added(result.count);
  process();
}

void HttpConnection::process() {
  switch (reader_.read(input_)) {
    case RequestReader::Status::kIncomplete:
      stream_.watch(true, false);
      break;
    case RequestReader::Status::kExpectsContinue:
      write("HTTP/1.1 100 Continue\r\n\r\n", {}, After::kBody);
      break;
    case RequestReader::Status::kComplete:
      ask();
      break;
    case RequestReader::Status::kRefused:
      refuse(reader_.refusal());
      break;
  }
}

void HttpConnection::ask() {
  state_ = State::kAnswering;
  stream_.watch(false, false);
  asked_ = std::make_shared<HttpConnection*>(this);
  handler_(reader_.request(), [asked = asked_](Response response) {
    if (HttpConnection* const waiting = std::exchange(*asked, nullptr)) {
      waiting->answer(std::move(response));
    }
  });
}

void HttpConnection::forget_answer() {
  if (asked_) {
    *asked_ = nullptr;
  }
}

void HttpConnection::answer(Response response) {
  const bool keep_alive = reader_.keep_alive();
  const bool head_only = reader_.request().method == "HEAD";
  std::string wire = to_wire(response, head_only, keep_alive);
  write(std::move(wire), head_only ? SecretBuffer() : std::move(response.secret_body),
        keep_alive ? After::kNextRequest : After::kLinger);
}

void HttpConnection::refuse(const Response& refusal) {
  write(to_wire(refusal, false, false), {}, After::kLinger);
}

void HttpConnection::write(std::string bytes, SecretBuffer secret, After after) {
  state_ = State::kWriting;
  after_ = after;
  output_ = std::move(bytes);
  secret_output_ = std::move(secret);
  sent_ = 0;
  send();
}

ByteView HttpConnection::unsent() const {
  return sent_ < output_.size() ? bytes_of(output_).subspan(sent_)
                                : secret_output_.bytes().subspan(sent_ - output_.size());
}

void HttpConnection::send() {
  const uv::IoResult result = stream_.write(unsent());
  if (result.status == uv::IoStatus::kFailed) {
    close();
    return;
  }
  sent_ += result.count;
  if (sent_ < output_.size() + secret_output_.size()) {
    stream_.watch(false, true);
    return;
  }
  output_ = std::string();  // a response can be large, the wait for the next request long
  secret_output_ = SecretBuffer();
  written();
}

void HttpConnection::written() {
  switch (after_) {
    case After::kBody:
      state_ = State::kReading;
      stream_.watch(true, false);
      break;
    case After::kNextRequest:
      await_next();
      break;
    case After::kLinger:
      linger();
      break;
  }
}

void HttpConnection::await_next() {
  state_ = State::kReading;
  reader_.next();
  if (input_.empty()) {
    input_.release();
    timer_.start(limits_.idle);
    stream_.watch(true, false);
    return;
  }
  // One request a turn: whoever pipelines many shares the loop. A socket whose response was just
  // taken is writable at once or when the client has read some, which is the back-pressure wanted
  // here.
  timer_.start(limits_.request);
  stream_.watch(false, true);
}

void HttpConnection::linger() {
  state_ = State::kLingering;
  input_.release();
  timer_.start(kLingerTime);
  stream_.shutdown_write();
  stream_.watch(true, false);
}

void HttpConnection::discard() {
  const uv::IoResult result = stream_.read(input_.room());
  input_.added(result.count);
  input_.consume(result.count);
  discarded_ += result.count;
  const bool going_on =
      result.status == uv::IoStatus::kProgress || result.status == uv::IoStatus::kBlocked;
  if (!going_on || discarded_ > kLingerBytes) {
    close();
  }
}

}  // namespace usher::admin
