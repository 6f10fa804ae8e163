// Exchange: what Usher answers itself, deadlines, and the end.
#include <algorithm>

#include "proxy/http/date.h"
#include "proxy/http/exchange.h"
#include "proxy/http/forwarding.h"
#include "proxy/http/request_id.h"

namespace usher::http {

void Exchange::refuse(Reject reject, const RequestHead* head) {
  if (state_ == State::kDone) {
    return;
  }
  if (head != nullptr) {
    note_start(*head);
  }
  if (state_ == State::kNew) {
    request_ended_ = true;  // nothing of it is awaited
    if (record_.request_id.empty()) {
      record_.request_id = make_request_id();
    }
  }
  client_.site->settings().metrics->rejected[static_cast<std::size_t>(reject)].add();
  fail(status_of(reject), name_of(reject));
}

// A response of our own, which ends the exchange.
void Exchange::answer(unsigned status, std::string_view reason, std::string_view location) {
  OwnResponse own;
  own.status = status;
  own.request_id = record_.request_id;
  own.location = location;
  own.date = http_date(unix_now());
  own.head_only = method_ == Method::kHead;
  ResponseHead head;
  std::string storage;
  std::string content;
  make_own_response(own, head, storage, content);
  record_.status = status;
  head_sent_ = true;
  stream_.send_head(head);
  if (head.body.kind == Body::Kind::kLength) {
    record_.bytes_out += content.size();
    stream_.send_body(bytes_of(content));
  }
  stream_.send_end({});
  complete(reason);
}

void Exchange::fail(unsigned status, std::string_view reason) {
  link_reusable_ = false;
  release_link();
  if (!head_sent_) {
    answer(status, reason);
    return;
  }
  state_ = State::kDone;
  record_.report(client_.port, *client_.site, group_.get(), reason);
  stream_.abort();
  stream_.on_exchange_done();
}

void Exchange::fail_unreachable() {
  if (!broken_.empty()) {
    fail(502, broken_);
  } else if (!record_.attempted()) {
    fail(503, "no_server");
  } else if (timed_out_) {
    fail(504, "connect_timeout");
  } else {
    fail(502, "unreachable");
  }
}

void Exchange::cancel(std::string_view reason) {
  if (state_ == State::kDone || state_ == State::kNew) {
    state_ = State::kDone;
    return;
  }
  link_reusable_ = false;
  if (link_ && !request_ended_) {
    link_->abort();  // what the backend got must not look like all of it
  }
  release_link();
  if (!head_sent_) {
    record_.status = 499;  // as nginx and others log it: the client did not wait
  }
  state_ = State::kDone;
  record_.report(client_.port, *client_.site, group_.get(), reason);
}

void Exchange::release_link() {
  if (state_ == State::kQueued) {
    group_->stop_waiting(*this);
  }
  if (link_ && link_reusable_) {
    group_->give_back(std::move(link_));
  }
  link_.reset();
}

void Exchange::complete(std::string_view reason) {
  state_ = State::kDone;
  record_.report(client_.port, *client_.site, group_.get(), reason);
  stream_.on_exchange_done();
}

// The client counts as alive as long as bytes move on its connection.
uv::LoopTime Exchange::client_or(uv::LoopTime since) const {
  return std::max(since, client_.port.last_activity());
}

uv::LoopTime Exchange::deadline() const {
  const auto client_idle = client_.site->settings().idle_timeout;
  switch (state_) {
    case State::kQueued:
      return since_ + settings().connect_timeout;
    case State::kAwaitingHead:
      if (request_ended_) {
        return since_ + settings().first_byte_timeout;
      }
      return link_->room() == 0 ? since_ + settings().idle_timeout : since_ + client_idle;
    case State::kRelaying:
      return stream_.response_room() == 0 ? client_or(since_) + client_idle
                                          : since_ + settings().idle_timeout;
    case State::kTunnel:
      return client_or(since_) + client_idle;
    case State::kConnecting:  // the link's
    case State::kNew:
    case State::kDone:
      break;
  }
  return uv::LoopTime::max();
}

void Exchange::on_deadline() {
  if (now() < deadline()) {
    return;
  }
  std::string_view reason;
  switch (state_) {
    case State::kQueued:
      fail(503, "queue_timeout");
      return;
    case State::kAwaitingHead:
      if (!request_ended_ && link_->room() > 0) {
        refuse(Reject::kBodyTimeout, nullptr);
        return;
      }
      reason = request_ended_ ? "first_byte_timeout" : "backend_idle_timeout";
      group_->note_failure(link_->server(), backend::BackendMetrics::kTimeout, reason);
      fail(504, reason);
      return;
    case State::kRelaying:
      reason = stream_.response_room() == 0 ? "client_idle_timeout" : "backend_idle_timeout";
      if (stream_.response_room() > 0 && request_ended_) {  // not one that waits for its client
        group_->note_failure(link_->server(), backend::BackendMetrics::kTimeout, reason);
      }
      fail(504, reason);
      return;
    case State::kTunnel:
      fail(504, "idle_timeout");
      return;
    case State::kConnecting:
    case State::kNew:
    case State::kDone:
      return;
  }
}

}  // namespace usher::http
