#include <gtest/gtest.h>

#include <string>

#include "proxy/admin/http_message.h"

namespace usher::admin {
namespace {

using namespace std::string_literals;
using Status = RequestReader::Status;

// One request, whole in the first read.
struct Read {
  explicit Read(const std::string& bytes, Access access = Access::kChange) : reader(access) {
    input.append(bytes_of(bytes));
    status = reader.read(input);
  }
  RequestReader reader;
  SecretQueue input;
  Status status;
};

int refusal_of(const std::string& bytes, Access access = Access::kChange) {
  const Read read(bytes, access);
  return read.status == Status::kRefused ? read.reader.refusal().status : 0;
}

const std::string kHost = "Host: localhost\r\n";

TEST(RequestReader, Get) {
  const Read read("GET /status?a=b?c HTTP/1.1\r\n" + kHost + "\r\nnext", Access::kRead);
  ASSERT_EQ(read.status, Status::kComplete);
  EXPECT_EQ(read.reader.request().method, "GET");
  EXPECT_EQ(read.reader.request().path, "/status");
  EXPECT_EQ(read.reader.request().query, "a=b?c");
  EXPECT_TRUE(read.reader.keep_alive());
  EXPECT_EQ(text_of(read.input.view()), "next");
}

TEST(RequestReader, AbsoluteTargets) {
  const Read read("GET http://localhost:9464/metrics HTTP/1.1\r\n" + kHost + "\r\n");
  EXPECT_EQ(read.reader.request().path, "/metrics");
  const Read bare("HEAD http://localhost HTTP/1.1\r\n" + kHost + "\r\n");
  EXPECT_EQ(bare.reader.request().path, "/");
  EXPECT_EQ(refusal_of("GET localhost:80 HTTP/1.1\r\n" + kHost + "\r\n"), 400);
}

TEST(RequestReader, KeepAlive) {
  const auto keeps = [](const std::string& head) {
    const Read read(head + "\r\n");
    EXPECT_EQ(read.status, Status::kComplete);
    return read.reader.keep_alive();
  };
  EXPECT_TRUE(keeps("GET / HTTP/1.1\r\n" + kHost));
  EXPECT_FALSE(keeps("GET / HTTP/1.1\r\nConnection: close\r\n" + kHost));
  EXPECT_FALSE(keeps("GET / HTTP/1.1\r\nConnection: x, Close\r\n" + kHost));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\n"));
  EXPECT_TRUE(keeps("GET / HTTP/1.0\r\nConnection: keep-alive\r\n"));
}

TEST(RequestReader, ByteByByteAndPipelined) {
  const std::string one = "POST /reload HTTP/1.1\r\n" + kHost + "Content-Length: 3\r\n\r\nabc";
  RequestReader reader(Access::kChange);
  SecretQueue input;
  int complete = 0;
  for (const char c : one + one + one) {
    input.append(bytes_of({&c, 1}));
    const Status status = reader.read(input);
    ASSERT_NE(status, Status::kRefused);
    if (status == Status::kComplete) {
      EXPECT_EQ(reader.request().path, "/reload");
      EXPECT_EQ(reader.request().body_text(), "abc");
      reader.next();
      ++complete;
    }
  }
  EXPECT_EQ(complete, 3);
  EXPECT_TRUE(input.empty());
}

TEST(RequestReader, MethodsByAccess) {
  const auto request = [](const std::string& method) {
    return method + " / HTTP/1.1\r\n" + kHost + "\r\n";
  };
  for (const char* method : {"GET", "HEAD"}) {
    EXPECT_EQ(refusal_of(request(method), Access::kRead), 0);
    EXPECT_EQ(refusal_of(request(method), Access::kChange), 0);
    EXPECT_EQ(refusal_of(request(method), Access::kNone), 403);
  }
  EXPECT_EQ(refusal_of(request("GET"), Access::kPages), 0);
  EXPECT_EQ(refusal_of(request("POST"), Access::kPages), 405);
  EXPECT_EQ(refusal_of(request("POST"), Access::kRead), 403);
  EXPECT_EQ(refusal_of(request("POST"), Access::kNone), 403);
  EXPECT_EQ(refusal_of(request("POST"), Access::kChange), 0);
  for (const char* method :
       {"PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "GETX", "PRI"}) {
    EXPECT_EQ(refusal_of(request(method)), 405) << method;
  }
  EXPECT_EQ(Read(request("PUT")).reader.refusal().allow, "GET, HEAD, POST");
  EXPECT_EQ(Read(request("PUT"), Access::kRead).reader.refusal().allow, "GET, HEAD");
}

TEST(RequestReader, RefusedBeforeTheBodyIsRead) {
  EXPECT_EQ(refusal_of("POST / HTTP/1.1\r\n" + kHost + "Content-Length: 9\r\n\r\n", Access::kRead),
            403);
}

TEST(RequestReader, BodyOfAGetIsSkipped) {
  const Read read("GET / HTTP/1.1\r\n" + kHost + "Content-Length: 3\r\n\r\nabcnext");
  ASSERT_EQ(read.status, Status::kComplete);
  EXPECT_EQ(read.reader.request().body_text(), "");
  EXPECT_EQ(text_of(read.input.view()), "next");
}

TEST(RequestReader, HandlersLearnWhoAsks) {
  for (const Access access : {Access::kPages, Access::kRead, Access::kChange}) {
    EXPECT_EQ(Read("GET / HTTP/1.1\r\n" + kHost + "\r\n", access).reader.request().access, access);
  }
}

TEST(RequestReader, RefusalsAreJson) {
  const Read read("PUT / HTTP/1.1\r\n" + kHost + "\r\n");
  EXPECT_EQ(read.reader.refusal().content_type, "application/json");
  EXPECT_EQ(read.reader.refusal().body, "{\n  \"error\": \"GET, HEAD and POST only\"\n}\n");
}

// The body may be a key file: nothing of it stays in the queue, however it is cut.
TEST(RequestReader, BodyLeavesTheQueueAsItComes) {
  Read read("POST / HTTP/1.1\r\n" + kHost + "Content-Length: 6\r\n\r\nabc");
  EXPECT_EQ(read.status, Status::kIncomplete);
  EXPECT_TRUE(read.input.empty());
  read.input.append(bytes_of("defnext"));
  EXPECT_EQ(read.reader.read(read.input), Status::kComplete);
  EXPECT_EQ(read.reader.request().body_text(), "abcdef");
  EXPECT_EQ(text_of(read.input.view()), "next");
}

TEST(RequestReader, HandlersMayTakeTheBody) {
  Read read("POST / HTTP/1.1\r\n" + kHost + "Content-Length: 3\r\n\r\nabc" + "GET / HTTP/1.1\r\n" +
            kHost + "\r\n");
  ASSERT_EQ(read.status, Status::kComplete);
  const SecretBuffer taken = std::move(read.reader.request().body);
  EXPECT_EQ(text_of(taken.bytes()), "abc");
  read.reader.next();
  EXPECT_EQ(read.reader.read(read.input), Status::kComplete);
  EXPECT_EQ(read.reader.request().body_text(), "");
}

TEST(RequestReader, ExpectContinueIsAskedForOnce) {
  Read read("POST / HTTP/1.1\r\n" + kHost + "Expect: 100-Continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(read.status, Status::kExpectsContinue);
  EXPECT_EQ(read.reader.read(read.input), Status::kIncomplete);
  read.input.append(bytes_of("abc"));
  EXPECT_EQ(read.reader.read(read.input), Status::kComplete);
}

TEST(RequestReader, ExpectContinueIsNotAskedForInVain) {
  const std::string head = "POST / HTTP/1.1\r\n" + kHost + "Expect: 100-continue\r\n";
  EXPECT_EQ(Read(head + "\r\n").status, Status::kComplete);
  EXPECT_EQ(Read(head + "Content-Length: 3\r\n\r\na").status, Status::kIncomplete);
  EXPECT_EQ(Read("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").status,
            Status::kIncomplete);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\n" + kHost + "Expect: the-unexpected\r\n\r\n"), 417);
}

TEST(RequestReader, SizesAreBounded) {
  const std::string start = "GET / HTTP/1.1\r\n" + kHost + "X: ";
  const std::string fits = start + std::string(16384 - start.size() - 4, 'x') + "\r\n\r\n";
  ASSERT_EQ(fits.size(), 16384u);
  EXPECT_EQ(Read(fits).status, Status::kComplete);
  EXPECT_EQ(refusal_of(start + std::string(16385 - start.size() - 4, 'x') + "\r\n\r\n"), 431);
  EXPECT_EQ(refusal_of(std::string(16384, 'x')), 431);
  const std::string post = "POST / HTTP/1.1\r\n" + kHost + "Content-Length: ";
  EXPECT_EQ(Read(post + "65536\r\n\r\n").status, Status::kIncomplete);
  EXPECT_EQ(Read(post + "65536\r\n\r\n" + std::string(65536, 'b')).reader.request().body.size(),
            65536u);
  EXPECT_EQ(refusal_of(post + "65537\r\n\r\n"), 413);
  EXPECT_EQ(refusal_of(post + "18446744073709551616\r\n\r\n"), 400);
}

TEST(RequestReader, WhatOthersReadDifferentlyIsRefused) {
  const std::string get = "GET / HTTP/1.1\r\n";
  EXPECT_EQ(refusal_of(get + "\r\n"), 400);  // no Host
  EXPECT_EQ(refusal_of(get + kHost + kHost + "\r\n"), 400);
  EXPECT_EQ(refusal_of(get + kHost + "X: a\r\n b\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of(get + kHost + "X: a\r\n\tb\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of(get + " X: a\r\n" + kHost + "\r\n"), 400);
  EXPECT_EQ(refusal_of(get + kHost + "Content-Length : 3\r\n\r\nabc"), 400);
  EXPECT_EQ(refusal_of(get + kHost + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc"), 400);
  EXPECT_EQ(refusal_of(get + kHost + "Content-Length: -1\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of(get + kHost + "Content-Length: 0x3\r\n\r\nabc"), 400);
  EXPECT_EQ(refusal_of(get + kHost + "Transfer-Encoding: xchunked\r\n\r\n"), 501);
  EXPECT_EQ(refusal_of(get + kHost + "Transfer-Encoding: chunked\r\n\r\n"), 501);
  EXPECT_EQ(refusal_of(get + kHost + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"),
            400);
  EXPECT_EQ(refusal_of(get + kHost + "X: a\0b\r\n\r\n"s), 400);
  EXPECT_EQ(refusal_of(get + kHost + "X: a\nY: b\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET  / HTTP/1.1\r\n" + kHost + "\r\n"), 400);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1 \r\n" + kHost + "\r\n"), 505);
  EXPECT_EQ(refusal_of("GET / HTTP/2.0\r\n" + kHost + "\r\n"), 505);
  EXPECT_EQ(refusal_of("GET /\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("\x16\x03\x01\x02\r\n\r\n"), 400);
}

TEST(ToWire, SecretBodyIsCountedButNotCopied) {
  Response response;
  response.secret_body = SecretBuffer(100);
  const std::string wire = to_wire(response, false, true);
  EXPECT_NE(wire.find("Content-Length: 100\r\n"), std::string::npos);
  EXPECT_TRUE(wire.ends_with("\r\n\r\n"));
}

TEST(ToWire, HeadHasTheLengthButNotTheBody) {
  Response response;
  response.body = "12345";
  const std::string wire = to_wire(response, true, true);
  EXPECT_NE(wire.find("Content-Length: 5\r\n"), std::string::npos);
  EXPECT_TRUE(wire.ends_with("Connection: keep-alive\r\n\r\n"));
  EXPECT_TRUE(to_wire(response, false, false).ends_with("Connection: close\r\n\r\n12345"));
}

}  // namespace
}  // namespace usher::admin
