#include "proxy/admin/http_connection.h"

#include <array>
#include <utility>

namespace usher::admin {
namespace {

constexpr std::size_t kReadSize = 16 * 1024;
// Lingering: closing while the client still sends would reset the connection and could destroy the
// response before it is read. So it is read on, within these bounds.
constexpr std::chrono::milliseconds kLingerTime(2'000);
constexpr std::size_t kLingerBytes = 256 * 1024;

}  // namespace

HttpConnection::HttpConnection(uv::Loop& loop, Access access, const HttpServer::Handler& handler,
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
  const bool asked = state_ == State::kReading && (reader_.begun() || !input_.empty());
  if (!asked) {
    close();
    return;
  }
  timer_.start(kLingerTime);
  Response late;
  late.status = 408;
  late.body = "the request took too long to arrive\n";
  write(to_wire(std::move(late), false, false), After::kLinger);
}

void HttpConnection::receive() {
  std::array<std::byte, kReadSize> buffer;
  const uv::IoResult result = stream_.read(buffer);
  if (result.status == uv::IoStatus::kBlocked) {
    return;
  }
  if (result.status != uv::IoStatus::kProgress) {
    close();
    return;
  }
  if (!reader_.begun() && input_.empty()) {
    timer_.start(limits_.request);
  }
  input_.append(std::span(buffer).first(result.count));
  process();
}

void HttpConnection::process() {
  switch (reader_.read(input_)) {
    case RequestReader::Status::kIncomplete:
      stream_.watch(true, false);
      break;
    case RequestReader::Status::kExpectsContinue:
      write("HTTP/1.1 100 Continue\r\n\r\n", After::kBody);
      break;
    case RequestReader::Status::kComplete:
      answer();
      break;
    case RequestReader::Status::kRefused:
      write(to_wire(reader_.refusal(), false, false), After::kLinger);
      break;
  }
}

void HttpConnection::answer() {
  Response response = handler_(reader_.request());
  if (state_ == State::kClosed) {
    return;  // the handler closed the server
  }
  const bool keep_alive = reader_.keep_alive();
  write(to_wire(std::move(response), reader_.request().method == "HEAD", keep_alive),
        keep_alive ? After::kNextRequest : After::kLinger);
}

void HttpConnection::write(std::string bytes, After after) {
  state_ = State::kWriting;
  after_ = after;
  output_ = std::move(bytes);
  sent_ = 0;
  send();
}

void HttpConnection::send() {
  const uv::IoResult result = stream_.write(bytes_of(output_).subspan(sent_));
  if (result.status == uv::IoStatus::kFailed) {
    close();
    return;
  }
  sent_ += result.count;
  if (sent_ < output_.size()) {
    stream_.watch(false, true);
    return;
  }
  output_ = std::string();  // a response can be large, the wait for the next request long
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
  timer_.start(kLingerTime);
  stream_.shutdown_write();
  stream_.watch(true, false);
}

void HttpConnection::discard() {
  std::array<std::byte, kReadSize> buffer;
  const uv::IoResult result = stream_.read(buffer);
  discarded_ += result.count;
  const bool going_on =
      result.status == uv::IoStatus::kProgress || result.status == uv::IoStatus::kBlocked;
  if (!going_on || discarded_ > kLingerBytes) {
    close();
  }
}

}  // namespace usher::admin
