#pragma once

#include <cstddef>
#include <memory>

#include "proxy/backend/link.h"

namespace usher::backend {

// The idle links of one server, newest first: an intrusive list, because keeping and taking a link
// happens for every request and each may leave from the middle. Thread: the worker's. Owner: a
// Group; owns its links.
class IdleList {
 public:
  IdleList() = default;
  IdleList(IdleList&& other) noexcept;
  ~IdleList();

  void add(std::unique_ptr<Link> link);  // as the newest
  std::unique_ptr<Link> take(Link& link);
  Link* newest() const { return newest_; }
  Link* oldest() const { return oldest_; }
  Link* newer_than(const Link& link) const { return link.newer_; }
  std::size_t size() const { return size_; }

 private:
  Link* newest_ = nullptr;
  Link* oldest_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace usher::backend
