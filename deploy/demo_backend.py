#!/usr/bin/python3
"""A small HTTP/1.1 backend with keep-alive, to have something behind Usher.

Prints `listening on 127.0.0.1:PORT` (port 0 unless one is given) and answers every GET until it is ended.
"""

import http.server
import sys


class Greeting(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keep-alive
    timeout = 60

    def do_GET(self):
        body = f"Hello from the demo backend: you asked for {ascii(self.path)}.\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Silent: Usher's access line is what the demo shows."""


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Greeting)
    print(f"listening on 127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
