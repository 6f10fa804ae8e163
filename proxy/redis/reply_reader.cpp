#include "proxy/redis/reply_reader.h"

#include <hiredis/read.h>

#include <charconv>
#include <utility>

#include "proxy/base/check.h"

namespace usher::redis {

// What the reply that is being read may still hold.
struct ReplyBudget {
  std::size_t bytes = 0;
  std::size_t elements = 0;
  bool exceeded = false;

  bool take(std::size_t& left, std::size_t wanted) {
    exceeded = exceeded || wanted > left;
    left -= exceeded ? 0 : wanted;
    return !exceeded;
  }
};

namespace {

// An error's text, and the framing that waits in the buffer beside a reply's bytes.
constexpr std::size_t kSlackBytes = 4096;

Reply::Type type_of(int type) {
  switch (type) {
    case REDIS_REPLY_STATUS:
      return Reply::Type::kStatus;
    case REDIS_REPLY_ERROR:
      return Reply::Type::kError;
    default:
      return Reply::Type::kString;
  }
}

// Hands the object to the array it belongs to, or, the outermost one, to hiredis until the reply is
// whole. hiredis fills one array after the other, so what it keeps a pointer to never moves.
void* place(const redisReadTask* task, Reply reply) {
  if (task->parent == nullptr) {
    return std::make_unique<Reply>(std::move(reply)).release();
  }
  auto& siblings = static_cast<Reply*>(task->parent->obj)->elements;
  siblings.push_back(std::move(reply));
  return &siblings.back();
}

ReplyBudget& budget_of(const redisReadTask* task) {
  return *static_cast<ReplyBudget*>(task->privdata);
}

// hiredis takes a null object for "out of memory" and gives the stream up.
void* create_string(const redisReadTask* task, char* text, std::size_t size) {
  ReplyBudget& budget = budget_of(task);
  const Reply::Type type = type_of(task->type);
  const bool admitted =
      type == Reply::Type::kError ? size <= kSlackBytes : budget.take(budget.bytes, size);
  return admitted ? place(task, Reply{type, 0, std::string(text, size), {}}) : nullptr;
}

void* create_array(const redisReadTask* task, int size) {
  ReplyBudget& budget = budget_of(task);
  const bool admitted = budget.take(budget.elements, static_cast<std::size_t>(size));
  return admitted ? place(task, Reply{Reply::Type::kArray, 0, {}, {}}) : nullptr;
}

void* create_integer(const redisReadTask* task, long long value) {
  return place(task, Reply{Reply::Type::kInteger, value, {}, {}});
}

void* create_nil(const redisReadTask* task) {
  return place(task, Reply{});
}

// The outermost object.
void free_object(void* object) {
  std::unique_ptr<Reply>(static_cast<Reply*>(object)).reset();
}

redisReader* make_reader() {
  static redisReplyObjectFunctions functions{create_string, create_array, create_integer,
                                             create_nil, free_object};
  redisReader* reader = redisReaderCreateWithFunctions(&functions);
  CHECK(reader != nullptr);
  return reader;
}

}  // namespace

ReplyReader::ReplyReader()
    : budget_(std::make_unique<ReplyBudget>()), reader_(make_reader(), redisReaderFree) {
  reader_->privdata = budget_.get();
}

ReplyReader::~ReplyReader() = default;

void ReplyReader::feed(ByteView bytes) {
  (void)redisReaderFeed(reader_.get(), text_of(bytes).data(), bytes.size());
}

ReplyReader::Status ReplyReader::next(const Expected& expected, Reply& reply) {
  if (!problem_.empty()) {
    return Status::kBroken;
  }
  if (between_replies()) {
    *budget_ = {expected.bytes_max, expected.elements_max, false};
  }
  void* object = nullptr;
  if (redisReaderGetReply(reader_.get(), &object) != REDIS_OK) {
    return broken(budget_->exceeded || reader_->err == REDIS_ERR_OOM
                      ? "a reply is too large"
                      : redisReaderGetError(reader_.get()));
  }
  if (object == nullptr) {
    return announces_too_much() || reader_->len - reader_->pos > expected.bytes_max + kSlackBytes
               ? broken("a reply is too large")
               : Status::kIncomplete;
  }
  const std::unique_ptr<Reply> whole(static_cast<Reply*>(object));
  if (!whole->is(Reply::Type::kError) && (expected.types & static_cast<int>(whole->type)) == 0) {
    return broken("a reply is of another type than its command can have");
  }
  reply = std::move(*whole);
  return Status::kReply;
}

// hiredis stands before a string's length until the string is whole. Digits that are still to come
// make it only longer.
bool ReplyReader::announces_too_much() const {
  if (reader_->ridx < 0 || reader_->rstack[reader_->ridx].type != REDIS_REPLY_STRING) {
    return false;
  }
  std::int64_t size = 0;
  const char* end = reader_->buf + reader_->len;
  const auto [stop, error] = std::from_chars(reader_->buf + reader_->pos, end, size);
  return error == std::errc::result_out_of_range ||
         (error == std::errc() && size > static_cast<std::int64_t>(budget_->bytes));
}

bool ReplyReader::has_leftover() const {
  return reader_->len > reader_->pos || !between_replies();
}

// hiredis begins a reply before it has a byte of it; it has one as soon as the type is known.
bool ReplyReader::between_replies() const {
  return reader_->ridx < 0 || (reader_->ridx == 0 && reader_->rstack[0].type < 0);
}

ReplyReader::Status ReplyReader::broken(std::string problem) {
  problem_ = std::move(problem);
  return Status::kBroken;
}

}  // namespace usher::redis
