// Connection when nothing more is relayed: the last bytes, an alert or close_notify reach the
// client before its socket is closed.
#include "proxy/relay/connection.h"

namespace usher::relay {

void Connection::finish(CloseReason reason) {
  ending_ = reason;
  if (tls_) {
    tls_->cancel_lookup();
  }
  stop_application();
  release_backend();
  held_.clear();
  held_.release();
  enter(Phase::kDraining);
  send_tls_output(uv::More::kFollows);  // the FIN, at once
  continue_draining();
}

void Connection::on_client_draining(uv::Ready ready) {
  if ((ready.writable || ready.failed) && to_client_.waiting()) {
    flush_client();
  }
  if (ready.readable || ready.failed) {
    // Whatever comes now is dropped; it is read only because unread bytes turn close() into a
    // reset.
    const uv::IoResult got = client_.read(services_.receive);
    if (got.status == uv::IoStatus::kEnded) {
      client_fin_ = true;
    } else if (got.status == uv::IoStatus::kFailed) {
      lose_client(CloseReason::kClientReset);
      return;
    }
  }
  continue_draining();
}

void Connection::continue_draining() {
  const bool client_ended = client_fin_ || to_backend_.source_ended();
  if (to_client_.broken()) {
    lose_client(CloseReason::kClientReset);
    return;
  }
  if (!to_client_.waiting()) {
    if (client_ended) {
      close(ending_);
      return;
    }
    if (!fin_sent_) {
      client_.shutdown_write();
      fin_sent_ = true;
      phase_since_ = services_.loop.now();
      arm_timer();
    }
  }
  client_.watch(!client_ended, to_client_.waiting());
}

// The client did not take everything: no clean end then, but a worse one stays the reason.
void Connection::lose_client(CloseReason instead_of_finished) {
  close(ending_ == CloseReason::kFinished ? instead_of_finished : ending_);
}

}  // namespace usher::relay
