#include "proxy/relay/dialer.h"

#include "proxy/base/unix_errors.h"

namespace usher::relay {

Dialer::~Dialer() {
  if (under_way_) {
    listener_.backend->disconnected(choice_.server);
  }
}

// An attempt counts as a connection of its server at once: many clients that arrive together
// spread.
backend::Group::Found Dialer::choose() {
  const backend::Group::Found found = listener_.backend->choose(tried_, key_, choice_);
  if (found != backend::Group::Found::kServer) {
    return found;
  }
  under_way_ = true;
  began_ = std::chrono::steady_clock::now();
  listener_.backend->connected(choice_.server);
  return found;
}

void Dialer::failed(int error) {
  under_way_ = false;
  last_error_ = error;
  listener_.backend->disconnected(choice_.server);
  if (!backend::lacks_resources(error)) {
    listener_.backend->note_connect_failed(choice_, backend::failure_of(error), errno_text(error));
  }
  tried_.choices.push_back(choice_);
}

void Dialer::succeeded() {
  under_way_ = false;
  listener_.backend->note_connected(choice_, std::chrono::steady_clock::now() - began_);
  listener_.backend->note_success(choice_.server);
}

}  // namespace usher::relay
