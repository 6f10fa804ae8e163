// Http1Connection: what the exchange sends.
#include <algorithm>

#include "proxy/base/check.h"
#include "proxy/http/forwarding.h"
#include "proxy/http/http1_connection.h"

namespace usher::http {
namespace {

// A head and the content that comes along with it share a record up to its largest size.
constexpr std::size_t kRecord = 16 * 1024;

// What the connection whose turn it is has to write: one for the thread, for its memory. Empty
// between callbacks, each of which ends in before_commit(), end() or stop().
struct Out {
  ByteQueue bytes;
  const Http1Connection* owner = nullptr;
};
thread_local Out gathered;

}  // namespace

ByteQueue& Http1Connection::out() {
  CHECK(gathered.bytes.empty() || gathered.owner == this);
  gathered.owner = this;
  return gathered.bytes;
}

void Http1Connection::write_out() {
  if (gathered.owner == this && !gathered.bytes.empty()) {
    client_.port.write(gathered.bytes.view());
    gathered.bytes.clear();
  }
}

// The connection is over before it could be written. Another's turn begins with nothing.
void Http1Connection::drop_out() {
  if (gathered.owner == this) {
    gathered.bytes.clear();
  }
}

void Http1Connection::send_informational(const ResponseHead& head) {
  ResponseWriting how;
  how.version = version_;
  append_response_head(out(), head, how);
}

void Http1Connection::send_head(const ResponseHead& head) {
  const bool unsized =
      head.body.kind == Body::Kind::kUntilClose || head.body.kind == Body::Kind::kChunked;
  chunked_ = unsized && version_ == Version::k11;
  // What comes after a request that was answered before its end cannot be told from the rest of it.
  keep_alive_ = keep_alive_ && exchange_->request_ended() && (chunked_ || !unsized);
  ResponseWriting how;
  how.keep_alive = keep_alive_;
  how.version = version_;
  how.chunked = chunked_;
  if (client_.port.tls() != nullptr) {
    how.hsts = client_.site->settings().hsts;
  }
  append_response_head(out(), head, how);
  if (head.body.kind == Body::Kind::kTunnel) {
    reads_ = Reads::kTunnel;
    if (!driving_) {
      drive_held();  // what the client sent without waiting for the 101
      heed_client_end();
    }
  }
}

void Http1Connection::send_body(ByteView content) {
  ByteQueue& to = out();
  if (chunked_) {
    append_chunk_start(to, content.size());
    to.append(content);
    append_chunk_end(to);
    return;
  }
  if (to.empty() && content.size() > kRecord) {
    client_.port.write(content);
    return;
  }
  const std::size_t along = to.size() + content.size() <= kRecord
                                ? content.size()
                                : kRecord - std::min(to.size(), kRecord);
  to.append(content.first(along));
  if (along < content.size()) {
    write_out();
    client_.port.write(content.subspan(along));
  }
}

void Http1Connection::send_end(std::span<const Field> trailers) {
  if (chunked_) {
    append_last_chunk(out(), trailers);
  }
}

bool Http1Connection::send_tunnel_end() {
  write_out();
  client_.port.end_output();
  return client_.port.tls() != nullptr;
}

void Http1Connection::abort() {
  keep_alive_ = false;
  write_out();
  reads_ = Reads::kEnded;
  client_.port.cut_off(relay::CloseReason::kBackendReset);
}

void Http1Connection::on_exchange_done() {
  if (exchange_) {
    client_.port.services().retired.push_back(std::move(exchange_));
  }
  if (reads_ == Reads::kEnded) {
    return;
  }
  if (!keep_alive_ || reads_ != Reads::kNothing) {
    end(relay::CloseReason::kFinished);
    return;
  }
  reads_ = Reads::kHead;
  if (!driving_) {
    drive_held();
    heed_client_end();
  }
}

}  // namespace usher::http
