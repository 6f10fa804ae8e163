#include "proxy/http/exchange.h"

#include "proxy/backend/hash.h"
#include "proxy/base/check.h"
#include "proxy/http/forwarding.h"
#include "proxy/http/request_id.h"
#include "proxy/http/syntax.h"
#include "proxy/relay/proxy_header.h"

namespace usher::http {
namespace {

// Content that is taken before a server has been found, or while it connects.
constexpr std::size_t kEarlyContentMax = 64 * 1024;
// A typical request as it goes to a backend: allocated at once, not bit by bit.
constexpr std::size_t kRequestReserve = 1024;

std::uint64_t key_of(const RequestHead& head, const config::Backend& backend,
                     const ClientIdentity& client) {
  if (backend.balance == config::Balance::kHashClient) {
    return client.hash();
  }
  if (backend.balance == config::Balance::kHashHeader) {
    if (backend.hash_header == "host") {  // not among the fields
      return backend::hash_of(head.authority);
    }
    for (const Field& field : head.fields) {
      if (same_name(field.name, backend.hash_header)) {
        return backend::hash_of(field.value);
      }
    }
    return client.hash();  // a client without the field still finds its server again
  }
  return 0;
}

}  // namespace

Exchange::Exchange(Client& client, ClientStream& stream) : client_(client), stream_(stream) {
  record_.begin();
}

Exchange::~Exchange() {
  CHECK(state_ == State::kDone || state_ == State::kNew);
}

void Exchange::start(const RequestHead& head) {
  note_start(head);
  if (client_.site->misreads(head.target)) {
    refuse(Reject::kBadTarget, nullptr);
    return;
  }
  request_ended_ = head.body.kind == Body::Kind::kNone;
  group_ = client_.site->backend_of(head.authority, head.target);
  if (!group_) {
    redirect(head);
    return;
  }
  wish_.key = key_of(head, settings(), *client_.identity);
  write_request(head);
  acquire();
}

void Exchange::note_start(const RequestHead& head) {
  if (!client_.identity) {
    client_.identity = std::make_unique<const ClientIdentity>(client_.port, *client_.site);
  }
  method_ = head.method;
  version_ = head.version;
  record_.note_head(head, client_.port.services().access_log.enabled());
  record_.request_id = request_id_of(head);
  if (record_.request_id.empty()) {
    record_.request_id = make_request_id();
  }
}

void Exchange::write_request(const RequestHead& head) {
  request_.reserve(kRequestReserve);
  ClientFacts facts = client_.identity->facts(client_.port, *client_.site);
  facts.request_id = record_.request_id;
  std::string host;
  if (head.authority.empty()) {
    host = ClientIdentity::host_of(client_.port);
    facts.host = host;
  }
  append_request_head(request_, head, facts);
  chunked_request_ = head.body.kind == Body::Kind::kChunked;
  upgrade_asked_ = !head.upgrade.empty();
}

// 301 may turn a POST into a GET; 308 does not (RFC 9110 §15.4.9).
void Exchange::redirect(const RequestHead& head) {
  if (head.authority.empty()) {  // HTTP/1.0 without Host
    answer(400, "no_host");
    return;
  }
  std::string location = "https://";
  location += without_port(head.authority);
  if (head.target != "*") {
    location += head.target;
  }
  const bool plain = head.method == Method::kGet || head.method == Method::kHead;
  answer(plain ? 301 : 308, "ok", location);
}

void Exchange::acquire() {
  backend::Group::Acquired acquired = group_->acquire(wish_, *this);
  link_ = std::move(acquired.link);
  if (link_) {
    record_.note_attempt(link_->server());
  }
  switch (acquired.kind) {
    case backend::Group::Acquired::Kind::kOpen:
      if (!link_->reused()) {
        record_.note_connected();
      }
      send_request();
      return;
    case backend::Group::Acquired::Kind::kConnecting:
      state_ = State::kConnecting;
      return;
    case backend::Group::Acquired::Kind::kBusy:
      if (group_->wait(*this)) {
        since_ = state_ == State::kQueued ? since_ : now();  // woken in vain: no more time for it
        state_ = State::kQueued;
      } else {
        fail(503, "queue_full");
      }
      return;
    case backend::Group::Acquired::Kind::kNone:
      fail_unreachable();
      return;
    case backend::Group::Acquired::Kind::kNoResources:
      fail(503, "overload");
      return;
  }
}

void Exchange::on_server_free() {
  acquire();
  client_.port.commit();
}

void Exchange::append_preamble(ByteQueue& to) const {
  relay::append_proxy_header(to, settings().proxy_protocol, client_.port);
}

void Exchange::on_link_open() {
  record_.note_connected();
  send_request();
  client_.port.commit();
}

void Exchange::on_link_failed(backend::LinkFailure failure) {
  timed_out_ = failure == backend::LinkFailure::kTimeout;
  link_.reset();
  acquire();
  client_.port.commit();
}

// A link that cannot be written to is found out by reading it: the server may have said why.
void Exchange::send_request() {
  state_ = State::kAwaitingHead;
  since_ = now();
  record_.note_sent();
  (void)link_->send(request_.view());
  if (!is_idempotent(method_) || content_came_) {
    forget_request();
  }
  if (!request_ended_) {
    stream_.on_request_room();
  }
}

// A pooled link may have been closed by the server just as it was used again: then nobody has seen
// the request, or it does no harm to do it twice (RFC 9110 §9.2.2, RFC 9112 §9.3.1). A fresh one
// may have stood in the queue of a server that ended without accepting it: once, and only where
// there is another server, so that no request takes down one server after the other.
bool Exchange::may_repeat() const {
  return link_ && (link_->reused() || !elsewhere_) && !request_.empty() && request_ended_;
}

void Exchange::forget_request() {
  request_.clear();
  request_.release();
}

void Exchange::repeat(std::string_view reason) {
  if (link_->reused()) {
    wish_.fresh = true;
  } else {
    group_->note_failure(link_->server(), backend::BackendMetrics::kReset, reason);
    wish_.leave_opened();
    elsewhere_ = true;
    broken_ = reason;
  }
  link_.reset();
  response_in_.clear();
  acquire();
}

std::size_t Exchange::request_room() const {
  switch (state_) {
    case State::kNew:
    case State::kQueued:
    case State::kConnecting:
      return request_.size() < kEarlyContentMax ? kEarlyContentMax - request_.size() : 0;
    case State::kAwaitingHead:
    case State::kRelaying:
    case State::kTunnel:
      return link_->room();
    case State::kDone:
      break;
  }
  return 0;
}

void Exchange::send_request_body(ByteView content) {
  if (state_ == State::kDone || content.empty()) {
    return;
  }
  if (!content_came_ && state_ >= State::kAwaitingHead) {
    forget_request();
  }
  content_came_ = true;
  record_.bytes_in += content.size();
  if (chunked_request_ && state_ != State::kTunnel) {
    static thread_local ByteQueue chunk;  // used within one call
    append_chunk_start(chunk, content.size());
    chunk.append(content);
    append_chunk_end(chunk);
    send_content(chunk.view());
    chunk.clear();
  } else {
    send_content(content);
  }
}

void Exchange::end_request(std::span<const Field> trailers) {
  if (state_ == State::kDone || request_ended_) {
    return;
  }
  if (state_ == State::kTunnel) {
    request_ended_ = true;
    link_->shutdown_write();
    finish_tunnel();
    return;
  }
  if (chunked_request_) {
    ByteQueue end;
    append_last_chunk(end, trailers);
    if (state_ >= State::kAwaitingHead && !request_.empty()) {
      request_.append(end.view());  // of one that may be repeated
    }
    send_content(end.view());
  }
  request_ended_ = true;
  if (state_ == State::kAwaitingHead) {
    since_ = now();
  }
}

void Exchange::send_content(ByteView content) {
  if (state_ < State::kAwaitingHead) {
    request_.append(content);
    return;
  }
  since_ = now();
  const uv::IoResult sent = link_->send(content);
  if (sent.status == uv::IoStatus::kFailed && backend_ended_) {  // no reading will tell
    fail(502, "backend_reset");
  }
}

void Exchange::on_link_writable() {
  since_ = now();
  if (state_ == State::kTunnel && request_ended_) {
    finish_tunnel();
  } else {
    stream_.on_request_room();
  }
  client_.port.commit();
}

void Exchange::on_client_room() {
  if (link_ && state_ >= State::kAwaitingHead) {
    since_ = now();
    link_->read_on(true);
  }
}

}  // namespace usher::http
