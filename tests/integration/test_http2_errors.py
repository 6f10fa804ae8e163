"""Promise: what RFC 9113 calls an error is answered as it says, on the stream where that is enough and else on
the connection; what it lets pass is let pass; no other stream or connection notices."""

import struct
import threading

import pytest

from support import http_backends, waiting
from support.h2_frames import (CANCEL, COMPRESSION_ERROR, CONTINUATION, DATA, END_HEADERS, END_STREAM,
                               FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY, HAS_PRIORITY, HEADERS, NO_ERROR, PADDED,
                               PING, PREFACE, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM, SETTINGS,
                               STREAM_CLOSED, WINDOW_UPDATE, H2Client, frame, settings)

ALL = END_STREAM | END_HEADERS
PRIORITY_UPDATE = 0x10


@pytest.fixture
def proxy(front, serve):
    backend = serve(http_backends.HttpBackend, http_backends.reply(200, b"hello"))
    return front(backend, listener={"max_head_bytes": 16384})


def u32(number):
    return struct.pack(">I", number)


# --- connection errors. Each sends its frames on a connection whose stream 1 has been answered.

def closed_stream(client, *sent):
    """Frames after stream 3 has been opened, ended and answered."""
    client.ask(3)
    return b"".join(sent)


CONNECTION_ERRORS = {
    # §4.1, §4.2
    "data above the frame size": (FRAME_SIZE_ERROR, lambda c: open_stream(c, 3) + frame(DATA, 0, 3, bytes(16385))),
    "headers above the frame size": (FRAME_SIZE_ERROR, lambda c: frame(HEADERS, ALL, 3, bytes(16385))),
    # §4.3
    "an undecodable section": (COMPRESSION_ERROR, lambda c: frame(HEADERS, ALL, 3, b"\xff\xff\xff\xff\xff\xff")),
    "a section that ends inside a field": (COMPRESSION_ERROR, lambda c: frame(HEADERS, ALL, 3, b"\x40")),
    "an index beyond the tables": (COMPRESSION_ERROR, lambda c: section(c, b"\xfe")),
    "a name's index beyond the tables": (COMPRESSION_ERROR, lambda c: section(c, b"\x7f\x40\x01v")),
    "index 0": (COMPRESSION_ERROR, lambda c: section(c, b"\x80")),
    "a table's size behind a field": (COMPRESSION_ERROR, lambda c: section(c, b"\x20")),
    "a table's size above its maximum": (COMPRESSION_ERROR, lambda c: frame(
        HEADERS, ALL, 3, b"\x3f\xe2\x1f" + c.block())),
    "a huffman code with a byte of padding": (COMPRESSION_ERROR, lambda c: section(c, b"\x00\x01x\x82\x07\xff")),
    "a huffman code padded with zeros": (COMPRESSION_ERROR, lambda c: section(c, b"\x00\x01x\x81\x00")),
    "a huffman code with an end of string": (COMPRESSION_ERROR, lambda c: section(
        c, b"\x00\x01x\x84\xff\xff\xff\xff")),
    "headers inside a section": (PROTOCOL_ERROR, lambda c: half_head(c, 3) + frame(HEADERS, ALL, 5, c.block())),
    "priority inside a section": (PROTOCOL_ERROR, lambda c: half_head(c, 3) + frame(PRIORITY, 0, 3, bytes(5))),
    "data inside a section": (PROTOCOL_ERROR, lambda c: half_head(c, 3) + frame(DATA, 0, 3, b"x")),
    "data between continuations": (PROTOCOL_ERROR, lambda c: half_head(c, 3) + frame(CONTINUATION, 0, 3, b"")
                                   + frame(DATA, 0, 3, b"x")),
    "an unknown frame inside a section": (PROTOCOL_ERROR, lambda c: half_head(c, 3) + frame(0xfb, 0, 3, bytes(8))),
    "a continuation of another": (PROTOCOL_ERROR, lambda c: half_head(c, 3) + frame(CONTINUATION, 4, 5, b"")),
    "a continuation of no stream": (PROTOCOL_ERROR, lambda c: half_head(c, 3) + frame(CONTINUATION, 4, 0, b"")),
    "a continuation behind the section's end": (PROTOCOL_ERROR, lambda c: open_stream(c, 3)
                                                + frame(CONTINUATION, END_HEADERS, 3, b"\x82")),
    "a continuation behind the last": (PROTOCOL_ERROR, lambda c: half_head(c, 3)
                                       + frame(CONTINUATION, END_HEADERS, 3, b"") * 2),
    # §5.1
    "data on an idle stream": (PROTOCOL_ERROR, lambda c: frame(DATA, END_STREAM, 3, b"x")),
    "reset of an idle stream": (PROTOCOL_ERROR, lambda c: frame(RST_STREAM, 0, 3, u32(CANCEL))),
    "a window for an idle stream": (PROTOCOL_ERROR, lambda c: frame(WINDOW_UPDATE, 0, 3, u32(100))),
    "a lone continuation": (PROTOCOL_ERROR, lambda c: frame(CONTINUATION, END_HEADERS, 3, c.block())),
    "data on a closed stream": (STREAM_CLOSED, lambda c: closed_stream(c, frame(DATA, END_STREAM, 3, b"x"))),
    "headers on a closed stream": (STREAM_CLOSED, lambda c: closed_stream(c, frame(HEADERS, ALL, 3, c.block()))),
    "data after its reset": (STREAM_CLOSED, lambda c: open_stream(c, 3) + frame(RST_STREAM, 0, 3, u32(CANCEL))
                             + frame(DATA, END_STREAM, 3, b"x")),
    "headers after its reset": (STREAM_CLOSED, lambda c: open_stream(c, 3) + frame(RST_STREAM, 0, 3, u32(CANCEL))
                                + frame(HEADERS, ALL, 3, c.block())),
    "a continuation after its reset": (PROTOCOL_ERROR, lambda c: open_stream(c, 3)
                                       + frame(RST_STREAM, 0, 3, u32(CANCEL)) + frame(CONTINUATION, 4, 3, b"")),
    # §5.1.1
    "an even stream": (PROTOCOL_ERROR, lambda c: frame(HEADERS, ALL, 2, c.block())),
    "a stream out of order": (PROTOCOL_ERROR, lambda c: frame(HEADERS, ALL, 7, c.block())
                              + frame(HEADERS, ALL, 5, c.block())),
    # §5.3 of RFC 7540
    "headers that depend on themselves": (PROTOCOL_ERROR, lambda c: frame(
        HEADERS, ALL | HAS_PRIORITY, 3, u32(3) + b"\x10" + c.block())),
    "a priority that depends on itself": (PROTOCOL_ERROR, lambda c: frame(PRIORITY, 0, 3, u32(3) + b"\x10")),
    "a priority of another size": (FRAME_SIZE_ERROR, lambda c: frame(PRIORITY, 0, 3, bytes(4))),
    "a priority of no stream": (PROTOCOL_ERROR, lambda c: frame(PRIORITY, 0, 0, u32(1) + b"\x10")),
    # §7.1 of RFC 9218
    "a priority update of no stream": (PROTOCOL_ERROR, lambda c: frame(PRIORITY_UPDATE, 0, 0, u32(0) + b"u=1")),
    "a priority update on a stream": (PROTOCOL_ERROR, lambda c: frame(PRIORITY_UPDATE, 0, 3, u32(3) + b"u=1")),
    "a priority update of another size": (FRAME_SIZE_ERROR, lambda c: frame(PRIORITY_UPDATE, 0, 0, b"abc")),
    # §6.1 to §6.10
    "data of no stream": (PROTOCOL_ERROR, lambda c: frame(DATA, 0, 0, b"x")),
    "data that is more padding than frame": (PROTOCOL_ERROR, lambda c: open_stream(c, 3)
                                             + frame(DATA, PADDED, 3, b"\x06pad")),
    "headers of no stream": (PROTOCOL_ERROR, lambda c: frame(HEADERS, ALL, 0, c.block())),
    "headers that are more padding than frame": (PROTOCOL_ERROR, lambda c: frame(
        HEADERS, ALL | PADDED, 3, b"\xff" + c.block())),
    "a reset of no stream": (PROTOCOL_ERROR, lambda c: frame(RST_STREAM, 0, 0, u32(CANCEL))),
    "a reset of another size": (FRAME_SIZE_ERROR, lambda c: open_stream(c, 3) + frame(RST_STREAM, 0, 3, b"abc")),
    "settings of a stream": (PROTOCOL_ERROR, lambda c: frame(SETTINGS, 0, 1, b"")),
    "settings of another size": (FRAME_SIZE_ERROR, lambda c: frame(SETTINGS, 0, 0, b"abc")),
    "an acknowledgement with settings": (FRAME_SIZE_ERROR, lambda c: frame(
        SETTINGS, 1, 0, settings(MAX_CONCURRENT_STREAMS=1))),
    "enable_push of 2": (PROTOCOL_ERROR, lambda c: frame(SETTINGS, 0, 0, settings(ENABLE_PUSH=2))),
    "a window above its maximum": (FLOW_CONTROL_ERROR, lambda c: frame(
        SETTINGS, 0, 0, settings(INITIAL_WINDOW_SIZE=1 << 31))),
    "frames below 16 KiB": (PROTOCOL_ERROR, lambda c: frame(SETTINGS, 0, 0, settings(MAX_FRAME_SIZE=16383))),
    "frames above 16 MiB": (PROTOCOL_ERROR, lambda c: frame(SETTINGS, 0, 0, settings(MAX_FRAME_SIZE=1 << 24))),
    "a push": (PROTOCOL_ERROR, lambda c: frame(PUSH_PROMISE, END_HEADERS, 3, u32(2) + c.block())),
    "a ping of a stream": (PROTOCOL_ERROR, lambda c: frame(PING, 0, 1, bytes(8))),
    "a ping of another size": (FRAME_SIZE_ERROR, lambda c: frame(PING, 0, 0, bytes(6))),
    "a goaway of a stream": (PROTOCOL_ERROR, lambda c: frame(GOAWAY, 0, 1, bytes(8))),
    "a window of 0": (PROTOCOL_ERROR, lambda c: frame(WINDOW_UPDATE, 0, 0, u32(0))),
    "a window update of another size": (FRAME_SIZE_ERROR, lambda c: frame(WINDOW_UPDATE, 0, 0, b"abc")),
    "a connection's window beyond 2^31-1": (FLOW_CONTROL_ERROR, lambda c: frame(
        WINDOW_UPDATE, 0, 0, u32((1 << 31) - 1)) * 2),
}


def open_stream(client, stream, *fields):
    """HEADERS of a request whose content is to follow."""
    return frame(HEADERS, END_HEADERS, stream, client.block("POST", "/", *fields))


def section(client, more):
    """A request whose field section has `more` at its end."""
    return frame(HEADERS, ALL, 3, client.block() + more)


def half_head(client, stream):
    return frame(HEADERS, END_STREAM, stream, client.block())


@pytest.mark.parametrize("what", CONNECTION_ERRORS)
def test_connection_error(proxy, what):
    code, make = CONNECTION_ERRORS[what]
    with H2Client(proxy.address()) as client:
        assert client.ask(1).status == 200
        client.send(make(client))
        assert client.goaway() == code
    proxy.wait_metric("usher_http_rejected_total", lambda n: n == 1, reason="bad_frame")


# --- stream errors; the connection goes on.

STREAM_ERRORS = {
    # §8.2
    "an upper-case name": lambda c: request_with(c, ("X-Name", "v")),
    "a response's pseudo-header": lambda c: request_with(c, (":status", "200")),
    "an unknown pseudo-header": lambda c: request_with(c, (":what", "x")),
    "a pseudo-header behind a field": lambda c: raw_request(c, (":method", "GET"), (":scheme", "https"),
                                                            (":path", "/"), ("a", "b"), (":authority", "site.test")),
    "connection": lambda c: request_with(c, ("connection", "keep-alive")),
    "keep-alive": lambda c: request_with(c, ("keep-alive", "5")),
    "proxy-connection": lambda c: request_with(c, ("proxy-connection", "keep-alive")),
    "transfer-encoding": lambda c: request_with(c, ("transfer-encoding", "chunked")),
    "upgrade": lambda c: request_with(c, ("upgrade", "websocket")),
    "te": lambda c: request_with(c, ("te", "trailers, deflate")),
    # §8.3.1
    "an empty path": lambda c: request_with(c, path=""),
    "no method": lambda c: raw_request(c, (":scheme", "https"), (":path", "/"), (":authority", "a")),
    "no scheme": lambda c: raw_request(c, (":method", "GET"), (":path", "/"), (":authority", "a")),
    "no path": lambda c: raw_request(c, (":method", "GET"), (":scheme", "https"), (":authority", "a")),
    "no authority": lambda c: raw_request(c, (":method", "GET"), (":scheme", "https"), (":path", "/")),
    "two methods": lambda c: raw_request(c, (":method", "GET"), (":method", "GET"), (":scheme", "https"),
                                         (":path", "/")),
    "two paths": lambda c: raw_request(c, (":method", "GET"), (":scheme", "https"), (":path", "/"), (":path", "/")),
    "two schemes": lambda c: raw_request(c, (":method", "GET"), (":scheme", "https"), (":scheme", "https"),
                                         (":path", "/")),
    # §8.1.1
    "a length that its content exceeds": lambda c: open_stream(c, 3, ("content-length", "1"))
    + frame(DATA, END_STREAM, 3, b"xy"),
    "a length that its content does not reach": lambda c: open_stream(c, 3, ("content-length", "3"))
    + frame(DATA, END_STREAM, 3, b"x"),
    "lengths that frames add up beyond": lambda c: open_stream(c, 3, ("content-length", "3"))
    + frame(DATA, 0, 3, b"xy") + frame(DATA, END_STREAM, 3, b"zz"),
    "two lengths": lambda c: open_stream(c, 3, ("content-length", "1"), ("content-length", "2"))
    + frame(DATA, END_STREAM, 3, b"x"),
    # §8.1
    "a second head without an end": lambda c: open_stream(c, 3) + frame(HEADERS, END_HEADERS, 3, c.block()),
    "a second head behind content without an end": lambda c: open_stream(c, 3) + frame(DATA, 0, 3, b"x")
    + frame(HEADERS, END_HEADERS, 3, c.encoder.encode([("x", "v")])),
    "a pseudo-header in trailers": lambda c: open_stream(c, 3) + frame(DATA, 0, 3, b"x")
    + frame(HEADERS, ALL, 3, c.encoder.encode([(":method", "GET")])),
}


def request_with(client, *fields, path="/"):
    return frame(HEADERS, ALL, 3, client.block("GET", path, *fields))


def raw_request(client, *fields):
    return frame(HEADERS, ALL, 3, client.encoder.encode(fields))


@pytest.mark.parametrize("what", STREAM_ERRORS)
def test_stream_error(proxy, what):
    with H2Client(proxy.address()) as client:
        assert client.ask(1).status == 200
        client.send(STREAM_ERRORS[what](client))
        assert client.error() == ("reset", 3, PROTOCOL_ERROR)
        assert client.ask(5).status == 200
    proxy.wait_metric("usher_http_rejected_total", lambda n: n == 1, reason="bad_frame")


def test_stream_errors_of_flow_control(proxy):
    with H2Client(proxy.address()) as client:
        client.send(open_stream(client, 1) + frame(WINDOW_UPDATE, 0, 1, u32((1 << 31) - 1)) * 2)
        assert client.error() == ("reset", 1, FLOW_CONTROL_ERROR)
        assert client.ask(3).status == 200


def test_content_beyond_the_window(front, serve):
    """A client that does not heed the window of a stream whose backend reads nothing."""
    go = threading.Event()
    backend = serve(http_backends.HttpBackend, lambda exchange: go.wait(waiting.PATIENCE))
    with H2Client(front(backend).address()) as client:
        client.send(open_stream(client, 1))
        while RST_STREAM not in [one.type for one in client.seen]:
            client.send(frame(DATA, 0, 1, bytes(16384)) * 16)
            client.ping()
        assert client.responses[1].reset == FLOW_CONTROL_ERROR
        go.set()


# --- after a response that did not wait for the request's content: what is wrong with that is still told

LATE = {
    "more content than its length": (("reset", 1, PROTOCOL_ERROR), lambda c: frame(DATA, END_STREAM, 1, b"xy")),
    "less content than its length": (("reset", 1, PROTOCOL_ERROR), lambda c: frame(DATA, END_STREAM, 1, b"")),
    "a second head without an end": (("reset", 1, PROTOCOL_ERROR), lambda c: frame(
        HEADERS, END_HEADERS, 1, c.encoder.encode([("x", "v")]))),
    "a window beyond 2^31-1": (("reset", 1, FLOW_CONTROL_ERROR), lambda c: frame(
        WINDOW_UPDATE, 0, 1, u32((1 << 31) - 1))),
    "padding": (("goaway", PROTOCOL_ERROR), lambda c: frame(DATA, PADDED, 1, b"\x06pad")),
    "data after its reset": (("goaway", STREAM_CLOSED), lambda c: frame(RST_STREAM, 0, 1, u32(CANCEL))
                             + frame(DATA, END_STREAM, 1, b"x")),
    "headers after its reset": (("goaway", STREAM_CLOSED), lambda c: frame(RST_STREAM, 0, 1, u32(CANCEL))
                                + frame(HEADERS, ALL, 1, c.block())),
}


@pytest.mark.parametrize("what", LATE)
def test_error_after_the_response(front, serve, what):
    expected, make = LATE[what]
    proxy = front(serve(http_backends.HttpBackend, lambda exchange: exchange.reply(200)))
    for _ in range(10):  # more than one only where five seconds pass between two lines
        with H2Client(proxy.address()) as client:
            client.send(open_stream(client, 1, ("content-length", "1")))
            assert client.response(1).status == 200
            client.send(make(client))
            told = client.error()
        if told != ("reset", 1, NO_ERROR):
            break
    assert told == expected


# --- half-closed (remote)

def test_data_after_the_end_of_the_request(front, serve):
    backend = serve(http_backends.HttpBackend, lambda exchange: exchange.stall())
    with H2Client(front(backend).address()) as client:
        client.request(1)
        client.frame(DATA, END_STREAM, 1, b"x")
        assert client.goaway() == STREAM_CLOSED


# --- requests that are understood and refused: an answer, not an error

REFUSED = {
    "a malformed value": (400, [("x", "a\x00b")], {}),
    "white space around a value": (400, [("x", " a")], {}),
    "another host": (400, [("host", "other.test")], {}),
    "another scheme": (400, [], {"scheme": "ftp"}),
    "an expectation": (417, [("expect", "x")], {}),
    "a large head": (431, [("x", "v" * 9000), ("y", "v" * 9000)], {}),
    "many fields": (431, [("x", "v")] * 101, {}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(proxy, what):
    status, fields, more = REFUSED[what]
    with H2Client(proxy.address()) as client:
        block = client.block("GET", "/", *fields, **more)
        client.send(frame(HEADERS, END_STREAM, 1, block[:16000]) + frame(CONTINUATION, END_HEADERS, 1, block[16000:]))
        assert client.response(1).status == status
        assert client.ask(3).status == 200  # what was refused was decoded all the same


def test_connect_and_trace(proxy):
    with H2Client(proxy.address()) as client:
        client.frame(HEADERS, ALL, 1, client.encoder.encode([(":method", "CONNECT"), (":authority", "a:1")]))
        assert client.response(1).status == 405
        assert client.ask(3, "TRACE").status == 405


# --- what is no error

@pytest.mark.parametrize("sent", [
    frame(0xfb, 0xff, 0, b"unknown"), frame(0xfb, 0, 5, b""), frame(SETTINGS, 0, 0, struct.pack(">HI", 0xff, 1)),
    frame(PRIORITY, 0, 99, u32(0) + b"\x10"), frame(PRIORITY, 0, 1, u32(5) + b"\x10"),
    frame(RST_STREAM, 0, 1, u32(CANCEL)), frame(WINDOW_UPDATE, 0, 1, u32(1)), frame(WINDOW_UPDATE, 0xff, 0, u32(1)),
    frame(PING, 0xfe, 0, bytes(8)), frame(DATA, END_STREAM, 3, b""),
], ids=range(10))
def test_let_pass(proxy, sent):
    with H2Client(proxy.address()) as client:
        client.ask(1)
        client.send(open_stream(client, 3) + sent)
        if sent[3] != DATA:
            client.frame(DATA, END_STREAM | PADDED, 3, b"\x02xpp")
        assert client.response(3).status == 200


# --- the beginning

def test_an_invalid_preface(proxy):
    with H2Client(proxy.address(), preface=b"INVALID CONNECTION PREFACE\r\n\r\n") as client:
        assert client.goaway() == PROTOCOL_ERROR


def test_a_beginning_without_settings(proxy):
    with H2Client(proxy.address(), begin=False) as client:
        client.send(PREFACE)
        client.request(1)
        assert client.goaway() == PROTOCOL_ERROR
