#pragma once

#include "proxy/redis/refusal.h"
#include "proxy/redis/reply.h"
#include "proxy/session/redis_tier.h"

// What the end of a command on `usher:s:…` means.
namespace usher::session {

inline constexpr redis::Expected kStatus = redis::Expected::one_of(redis::Reply::Type::kStatus);

// Whether the server can serve: what it refuses for this key or for want of memory it refuses at
// once, and that is no reason not to ask.
inline bool is_answered(redis::Outcome outcome, const redis::Reply& reply) {
  if (outcome != redis::Outcome::kRefused) {
    return outcome == redis::Outcome::kReply;
  }
  const redis::Refusal refusal = redis::refusal_of(reply.text);
  return refusal != redis::Refusal::kUnwell && refusal != redis::Refusal::kSignedOut;
}

inline RedisTier::Result result_of(redis::Outcome outcome, const redis::Reply& reply) {
  switch (outcome) {
    case redis::Outcome::kReply:
      return reply.is(redis::Reply::Type::kNil) ? RedisTier::Result::kMiss
                                                : RedisTier::Result::kHit;
    case redis::Outcome::kMalformed:
      return RedisTier::Result::kLiar;
    case redis::Outcome::kTimeout:
      return RedisTier::Result::kTimeout;
    case redis::Outcome::kRefused:
    case redis::Outcome::kDisconnected:
      return RedisTier::Result::kError;
    case redis::Outcome::kNotConnected:
    case redis::Outcome::kFull:
      return RedisTier::Result::kSkipped;
  }
  return RedisTier::Result::kError;
}

}  // namespace usher::session
