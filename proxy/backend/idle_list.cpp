#include "proxy/backend/idle_list.h"

#include <utility>

namespace usher::backend {

IdleList::IdleList(IdleList&& other) noexcept
    : newest_(std::exchange(other.newest_, nullptr)),
      oldest_(std::exchange(other.oldest_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

IdleList::~IdleList() {
  while (oldest_ != nullptr) {
    take(*oldest_).reset();
  }
}

void IdleList::add(std::unique_ptr<Link> link) {
  Link* added = link.release();
  added->newer_ = nullptr;
  added->older_ = newest_;
  (newest_ != nullptr ? newest_->newer_ : oldest_) = added;
  newest_ = added;
  ++size_;
}

std::unique_ptr<Link> IdleList::take(Link& link) {
  (link.newer_ != nullptr ? link.newer_->older_ : newest_) = link.older_;
  (link.older_ != nullptr ? link.older_->newer_ : oldest_) = link.newer_;
  link.newer_ = link.older_ = nullptr;
  --size_;
  return std::unique_ptr<Link>(&link);
}

}  // namespace usher::backend
