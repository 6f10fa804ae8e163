"""Promise: whatever form RFC 9113 and RFC 7541 leave to a client for its frames and field sections is understood as
the plainest one is, what it need not know of is let pass, and the windows that it gives are kept to the byte."""

import struct

import pytest

from support import http_backends
from support.h2_frames import (ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HAS_PRIORITY,
                               HEADERS, PADDED, PING, PREFACE, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE,
                               H2Client, frame, settings)

ALL = END_STREAM | END_HEADERS
PRIORITY_UPDATE = 0x10  # RFC 9218 §7.1
UNKNOWN = 0xfb


@pytest.fixture
def backend(serve):
    return serve(http_backends.HttpBackend, http_backends.reply(200, b"hello"))


@pytest.fixture
def client(front, backend):
    with H2Client(front(backend).address()) as opened:
        yield opened


def u32(*numbers):
    return struct.pack(f">{len(numbers)}I", *numbers)


# --- the beginning

def test_the_first_frame_is_settings(front, backend):
    with H2Client(front(backend).address(), begin=False) as client:
        client.send(PREFACE + frame(SETTINGS, payload=settings(INITIAL_WINDOW_SIZE=65535)))
        first = client.next()
        assert (first.type, first.flags, first.stream) == (SETTINGS, 0, 0)


def test_settings_are_acknowledged(client):
    every = dict(HEADER_TABLE_SIZE=4096, ENABLE_PUSH=1, MAX_CONCURRENT_STREAMS=100, INITIAL_WINDOW_SIZE=65535,
                 MAX_FRAME_SIZE=16384, MAX_HEADER_LIST_SIZE=100)
    client.ping()  # those of the beginning are
    client.seen.clear()
    client.frame(SETTINGS, payload=settings(**every))
    client.frame(SETTINGS, payload=struct.pack(">HI", 0xff, 1))  # an unknown one
    client.ping()
    answers = [one for one in client.seen if one.type == SETTINGS]
    assert [(one.flags, one.payload) for one in answers] == [(ACK, b"")] * 2


def test_pings_are_answered_and_answers_are_not(client):
    client.frame(PING, ACK, 0, b"answered")
    client.frame(PING, 0xfe, 1 << 31, b"asked???")  # flags without a meaning, the reserved bit
    came = client.wait(PING)
    assert (came.flags, came.stream, came.payload) == (ACK, 0, b"asked???")


# --- a request's head in frames

def whole(client, stream, flags=0, before=b"", after=b""):
    """HEADERS with a part of their payload in front of the field section and one behind it."""
    block = client.block("GET", "/", ("x-a", "v"))
    return frame(HEADERS, ALL | flags, stream, before + block + after)


def in_pieces(client, stream, size):
    block = client.block("GET", "/", ("x-a", "v"))
    pieces = [block[i:i + size] for i in range(0, len(block), size)]
    return (frame(HEADERS, END_STREAM, stream, pieces[0])
            + b"".join(frame(CONTINUATION, 0, stream, piece) for piece in pieces[1:])
            + frame(CONTINUATION, END_HEADERS, stream, b""))


HEADS = {
    "padding": lambda c: whole(c, 1, PADDED, b"\x08", bytes(8)),
    "padding of no byte": lambda c: whole(c, 1, PADDED, b"\x00"),
    "a priority": lambda c: whole(c, 1, HAS_PRIORITY, u32(0) + b"\xff"),
    "an exclusive priority": lambda c: whole(c, 1, HAS_PRIORITY, u32(1 << 31) + b"\x00"),
    "padding and a priority": lambda c: whole(c, 1, PADDED | HAS_PRIORITY, b"\x02" + u32(9) + b"\x10", b"zz"),
    "unknown flags": lambda c: whole(c, 1, 0x92),
    "the reserved bit": lambda c: whole(c, 1 | 1 << 31),
    "pieces of 5 bytes": lambda c: in_pieces(c, 1, 5),
    "pieces of 10 bytes": lambda c: in_pieces(c, 1, 10),
    "an earlier priority": lambda c: frame(PRIORITY, 0, 1, u32(0) + b"\x00") + whole(c, 1),
    "an earlier exclusive priority": lambda c: frame(PRIORITY, 0, 1, u32(1 << 31) + b"\x00") + whole(c, 1),
    "a dependent stream": lambda c: frame(PRIORITY, 0, 3, u32(1) + b"\x00") + whole(c, 1),
    "a priority update": lambda c: frame(PRIORITY_UPDATE, 0, 0, u32(1) + b"u=1, i") + whole(c, 1),
    "a priority update of no sense": lambda c: frame(PRIORITY_UPDATE, 0, 0, u32(1) + b"\xff;u=99") + whole(c, 1),
    "unknown frames": lambda c: frame(UNKNOWN, 0xff, 0, bytes(8)) + frame(UNKNOWN, 0, 1, b"") + whole(c, 1),
}


@pytest.mark.parametrize("what", HEADS)
def test_a_head(client, backend, what):
    client.send(HEADS[what](client))
    assert client.response(1).status == 200
    request, = backend.requests
    assert request.field("x-a") == "v"
    assert client.ask(3).status == 200


# --- a field in each representation of RFC 7541 §6

NAME, VALUE = b"\x04x-ab", b"\x02ok"
HUFFMAN_NAME, HUFFMAN_VALUE = b"\x83\xf2\xb0\xe3", b"\x82\x3f\x5f"


def static(client):
    """A request's field section that neither uses nor fills the dynamic table."""
    return client.encoder.encode([(":method", "GET"), (":scheme", "https"), (":path", "/"),
                                  (":authority", "site.test", True)])  # never indexed


NAMED = {"incremental": 0x40, "without indexing": 0x00, "never indexed": 0x10}
ACCEPT = {"incremental": b"\x53", "without indexing": b"\x0f\x04", "never indexed": b"\x1f\x04"}  # index 19


@pytest.mark.parametrize("kind", NAMED)
@pytest.mark.parametrize("name", [NAME, HUFFMAN_NAME], ids=["plain", "huffman"])
@pytest.mark.parametrize("value", [VALUE, HUFFMAN_VALUE], ids=["plain", "huffman"])
def test_a_new_name(client, backend, kind, name, value):
    client.frame(HEADERS, ALL, 1, client.block() + bytes([NAMED[kind]]) + name + value)
    assert client.response(1).status == 200
    assert backend.requests[0].field("x-ab") == "ok"


@pytest.mark.parametrize("kind", ACCEPT)
def test_an_indexed_name(client, backend, kind):
    client.frame(HEADERS, ALL, 1, client.block() + ACCEPT[kind] + VALUE)
    assert client.response(1).status == 200
    assert backend.requests[0].field("accept") == "ok"


def test_an_indexed_field(client, backend):
    client.frame(HEADERS, ALL, 1, static(client) + b"\x90")  # 16: accept-encoding: gzip, deflate
    client.frame(HEADERS, ALL, 3, static(client) + b"\x40" + NAME + VALUE)
    client.frame(HEADERS, ALL, 5, static(client) + b"\xbe")  # 62: the newest
    for stream in 1, 3, 5:
        assert client.response(stream).status == 200
    gzip, new, again = sorted(backend.requests, key=lambda request: request.fields.count(("x-ab", "ok")))
    assert gzip.field("accept-encoding") == "gzip, deflate"
    assert new.field("x-ab") == again.field("x-ab") == "ok"


@pytest.mark.parametrize("updates", [b"\x20", b"\x3f\x61", b"\x3f\x61\x3f\xe1\x1f", b"\x20\x3f\xe1\x1f"],
                         ids=["0", "128", "128 and 4096", "0 and 4096"])
def test_table_size_updates(client, updates):
    block = static(client)
    client.frame(HEADERS, ALL, 1, updates + block)
    assert client.response(1).status == 200
    client.frame(HEADERS, ALL, 3, block)
    assert client.response(3).status == 200


def test_a_client_without_a_dynamic_table(front, backend):
    with H2Client(front(backend).address(), settings(HEADER_TABLE_SIZE=0)) as client:
        client.decoder.max_allowed_table_size = 0  # more of it would not be decoded
        for stream in 1, 3:
            assert client.ask(stream).status == 200
        assert client.decoder.header_table_size == 0


# --- the client's windows

def data_of(client, stream, size):
    """Waits until so much content has come, and that it is no more."""
    while len(client.responses[stream].body) < size:
        client.next()
    client.ping()
    client.ping()  # what was to be sent with the first answer has come
    return len(client.responses[stream].body) == size


def test_settings_are_taken_in_their_order(front, backend):
    values = settings(INITIAL_WINDOW_SIZE=100) + settings(INITIAL_WINDOW_SIZE=1)
    with H2Client(front(backend).address(), values) as client:
        client.request(1)
        assert data_of(client, 1, 1)


def test_a_window_changes_under_way(front, backend):
    with H2Client(front(backend).address(), settings(INITIAL_WINDOW_SIZE=3)) as client:
        client.request(1)
        assert data_of(client, 1, 3)
        client.frame(SETTINGS, payload=settings(INITIAL_WINDOW_SIZE=2))  # one below nothing
        client.window(1, 1)
        assert data_of(client, 1, 3)
        client.window(1, 1)
        assert data_of(client, 1, 4)
        client.frame(SETTINGS, payload=settings(INITIAL_WINDOW_SIZE=65535))
        assert client.response(1).body == b"hello"


def test_a_window_opens_with_the_settings(front, backend):
    with H2Client(front(backend).address(), settings(INITIAL_WINDOW_SIZE=0)) as client:
        client.request(1)
        client.wait(HEADERS, 1)
        client.frame(PRIORITY, 0, 1, u32(0) + b"\x10")
        client.frame(SETTINGS, payload=settings(INITIAL_WINDOW_SIZE=1))
        assert data_of(client, 1, 1)
        client.window(1, 4)
        assert client.response(1).body == b"hello"


# --- the server's windows

def granted(client, stream):
    return sum(int.from_bytes(one.payload, "big") for one in client.seen
               if one.type == WINDOW_UPDATE and one.stream == stream)


def send_within(client, stream, block, count):
    """So many frames, as the windows let them."""
    sent = 0
    for _ in range(count):
        while sent + len(block) - 9 > min(65535 + granted(client, 0), 262144 + granted(client, stream)):
            client.wait(WINDOW_UPDATE)
        client.send(block)
        sent += len(block) - 9


def test_padding_gives_back_its_part_of_the_windows(client, backend):
    """RFC 9113 §6.9: all of a frame's payload counts."""
    client.ping()
    client.request(1, "POST", flags=END_HEADERS)
    send_within(client, 1, frame(DATA, PADDED, 1, b"\xff" + bytes(16000) + bytes(255)), 80)
    client.frame(DATA, END_STREAM, 1, b"")
    assert client.response(1).status == 200
    assert len(backend.requests[0].body) == 80 * 16000


def test_content_of_a_reset_stream_gives_back_the_connections_window(client):
    client.ping()
    sent = 0
    for stream in range(1, 161, 2):
        client.request(stream, "POST", "/", ("content-length", "1"), flags=END_HEADERS)
        client.frame(DATA, 0, stream, bytes(16384))  # more than its length: the stream is reset
        client.frame(DATA, 0, stream, bytes(16384))  # was on its way
        sent += 2 * 16384
        while 65535 + granted(client, 0) - sent < 2 * 16384:
            client.wait(WINDOW_UPDATE)
    assert client.ask(161).status == 200


# --- ends

@pytest.mark.parametrize("code", [0, 0xff])
def test_a_clients_goaway_lets_its_requests_finish(client, code):
    client.request(1, "POST", flags=END_HEADERS)
    client.frame(GOAWAY, 0, 0, u32(0, code) + b"words")
    client.ping()
    client.frame(DATA, END_STREAM, 1, b"x")
    assert client.response(1).body == b"hello"


@pytest.mark.parametrize("code", [CANCEL, 0xff])
@pytest.mark.parametrize("flags", [END_HEADERS, ALL], ids=["open", "half-closed"])
def test_a_clients_reset_ends_its_stream_only(client, code, flags):
    client.request(1, "POST", flags=flags)
    client.frame(RST_STREAM, 0, 1, u32(code))
    client.frame(PRIORITY, 0, 1, u32(0) + b"\x10")
    client.ping()
    assert client.ask(3).status == 200


def test_the_last_stream_that_there_can_be(client):
    last = (1 << 31) - 1
    assert client.ask(last).status == 200
