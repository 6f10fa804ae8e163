"""Promise: listeners in HTTP mode keep sessions by id as the others do, and what a backend is told of a client (its
certificate, that it resumed) is the same at the node that it returns to."""

import hashlib

import pytest

from support import http_backends, session_ids, tls, ticket_keys, usher
from support.http_client import HttpClient


@pytest.fixture
def two(start, serve, redis, site, tmp_path):
    """two(listener={…}, stateful=…) → ((proxy, backend), (proxy, backend)) on one Redis."""
    keys = ticket_keys.nginx_files(tmp_path, [ticket_keys.TicketKey()])

    def begin(stateful=False, **listener):
        def node():
            backend = serve(http_backends.HttpBackend)
            proxy = start(usher.configuration(
                [usher.listener([site], mode="http", tls_headers=True, **listener)], [usher.backend(backend)],
                tickets={"source": "file", "file": keys},
                session_cache={"memory_entries": 0, "redis": redis.url, "redis_timeout": "2s",
                               "stateful_tls13": stateful}))
            proxy.wait_metric("usher_redis_up")
            return proxy, backend
        return node(), node()
    return begin


@pytest.mark.parametrize("version", list(tls.CONTEXTS))
@pytest.mark.parametrize("alpn", [["http/1.1"], None])
def test_the_backend_is_told_the_same(two, client_ca, version, alpn):
    (one, here), (other, there) = two(version == "TLSv1.3", client_auth="optional", client_ca=client_ca.file)
    issued = client_ca.client("alice")
    ctx = tls.CONTEXTS[version](client=issued, alpn=alpn, tickets=version == "TLSv1.3")
    with HttpClient(one.address(), ctx=ctx) as client:
        client.ask()
        session = client.ssl.session
    session_ids.wait_stored(one, 1)
    with HttpClient(other.address(), ctx=ctx, session=session) as client:
        client.ask()
        assert client.resumed()
    first, second = here.requests[0], there.requests[0]
    assert (first.field("x-tls-resumed"), second.field("x-tls-resumed")) == ("0", "1")
    for request in (first, second):
        assert request.field("x-tls-client-verify") == "SUCCESS"
        assert "CN=alice" in request.field("x-tls-client-subject")
        assert (request.field("x-tls-client-fingerprint").replace(":", "").lower()
                == hashlib.sha256(issued.der).hexdigest())
    session_ids.wait_offers(other, 1, "resumed")
