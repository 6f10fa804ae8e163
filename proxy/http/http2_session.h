#pragma once

#include <nghttp2/nghttp2.h>

namespace usher::http::http2 {

// nghttp2_data_source_read_callback of every response: the connection is the session's user data,
// the stream the stream's.
ssize_t next_data_frame(nghttp2_session* session, std::int32_t id, std::uint8_t* buffer,
                        std::size_t size, std::uint32_t* flags, nghttp2_data_source* source,
                        void* user);

}  // namespace usher::http::http2
