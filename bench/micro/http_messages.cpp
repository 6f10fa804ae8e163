#include <benchmark/benchmark.h>

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <vector>

#include "proxy/base/check.h"
#include "proxy/http/body_decoder.h"
#include "proxy/http/forwarding.h"
#include "proxy/http/head_parser.h"

// What the message layer costs per small keep-alive request, and what Boost.Beast's parser behind
// the strict scan would add.
namespace {

using namespace usher;
using namespace usher::http;

constexpr std::string_view kRequest =
    "GET /api/v1/items?page=2&sort=name HTTP/1.1\r\n"
    "Host: www.example.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Referer: https://www.example.com/items\r\n"
    "Connection: keep-alive\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    "Cache-Control: no-cache\r\n"
    "Pragma: no-cache\r\n"
    "\r\n";

constexpr std::string_view kResponse =
    "HTTP/1.1 200 OK\r\n"
    "Server: backend\r\n"
    "Date: Mon, 27 Jul 2009 12:28:53 GMT\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: 128\r\n"
    "Connection: keep-alive\r\n"
    "Cache-Control: no-store\r\n"
    "Vary: Accept-Encoding\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "\r\n";

ClientFacts some_facts() {
  ClientFacts facts;
  facts.address = "192.0.2.1";
  facts.port = 443;
  facts.request_id = "0123456789abcdef0123456789abcdef";
  return facts;
}

void parse_request(benchmark::State& state) {
  RequestHead head;
  while (state.KeepRunning()) {
    const HeadResult result = parse_request_head(bytes_of(kRequest), 0, {}, head);
    CHECK(result.status == HeadResult::Status::kComplete);
    benchmark::DoNotOptimize(head.fields.data());
  }
}

void parse_and_write_request(benchmark::State& state) {
  RequestHead head;
  ByteQueue to;
  const ClientFacts facts = some_facts();
  while (state.KeepRunning()) {
    const HeadResult result = parse_request_head(bytes_of(kRequest), 0, {}, head);
    CHECK(result.status == HeadResult::Status::kComplete);
    append_request_head(to, head, facts);
    benchmark::DoNotOptimize(to.view().data());
    to.clear();
  }
}

void parse_and_write_response(benchmark::State& state) {
  ResponseHead head;
  ByteQueue to;
  while (state.KeepRunning()) {
    const HeadResult result = parse_response_head(bytes_of(kResponse), 0, {}, Method::kGet, head);
    CHECK(result.status == HeadResult::Status::kComplete);
    append_response_head(to, head, {});
    benchmark::DoNotOptimize(to.view().data());
    to.clear();
  }
}

// 16 KiB in chunks of 4 KiB.
void decode_chunks(benchmark::State& state) {
  ByteQueue message;
  const std::string content(4096, 'x');
  for (int i = 0; i < 4; ++i) {
    append_chunk_start(message, content.size());
    message.append(bytes_of(content));
    append_chunk_end(message);
  }
  append_last_chunk(message, {});
  BodyDecoder decoder;
  while (state.KeepRunning()) {
    decoder.begin({Body::Kind::kChunked, 0});
    ByteView rest = message.view();
    while (!decoder.ended()) {
      const BodyDecoder::Step step = decoder.decode(rest);
      CHECK(step.status != BodyDecoder::Status::kBroken);
      rest = rest.subspan(step.taken);
    }
  }
}

namespace beast = boost::beast;
namespace beast_http = boost::beast::http;

// Keeps what parse_request_head() keeps before it checks it.
class BeastRequest : public beast_http::basic_parser<true> {
 public:
  explicit BeastRequest(std::vector<Field>& fields) : fields_(fields) {}

 private:
  using View = beast::string_view;
  using Code = beast::error_code;

  void on_request_impl(beast_http::verb, View method, View target, int, Code& error) override {
    benchmark::DoNotOptimize(method.data());
    benchmark::DoNotOptimize(target.data());
    error = {};
  }
  void on_response_impl(int, View, int, Code& error) override { error = {}; }
  void on_field_impl(beast_http::field, View name, View value, Code& error) override {
    fields_.push_back(
        {FieldName::kOther, {name.data(), name.size()}, {value.data(), value.size()}});
    error = {};
  }
  void on_header_impl(Code& error) override { error = {}; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Code& error) override {
    error = {};
  }
  std::size_t on_body_impl(View body, Code& error) override {
    error = {};
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, View, Code& error) override { error = {}; }
  std::size_t on_chunk_body_impl(std::uint64_t, View body, Code& error) override {
    error = {};
    return body.size();
  }
  void on_finish_impl(Code& error) override { error = {}; }

  std::vector<Field>& fields_;
};

void parse_request_by_beast(benchmark::State& state) {
  std::vector<Field> fields;
  while (state.KeepRunning()) {
    fields.clear();
    BeastRequest parser(fields);
    beast::error_code error;
    parser.put(boost::asio::buffer(kRequest.data(), kRequest.size()), error);
    CHECK(!error && parser.is_done() && fields.size() == 10);
  }
}

BENCHMARK(parse_request);
BENCHMARK(parse_and_write_request);
BENCHMARK(parse_and_write_response);
BENCHMARK(decode_chunks);
BENCHMARK(parse_request_by_beast);

}  // namespace

BENCHMARK_MAIN();
