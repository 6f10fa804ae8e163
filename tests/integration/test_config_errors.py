"""Promise: a configuration that is not understood completely is refused with exit code 2 and, for each
mistake, `FILE:LINE:` and what to do; keys of features that this build does not have are refused unless they
are empty or at their default."""

import pytest

from support import usher


@pytest.fixture
def check(tmp_path, site, echo):
    """check(edits) → (exit code, standard error, line of each marked text): the text `@@` marks the line
    that the message must name."""
    base = f"""\
[process]
workers = 1
{{process}}
[tls]
{{tls}}
[tickets]
{{tickets}}
[session_cache]
{{session_cache}}
[admin]
listen = ""
socket = ""
{{admin}}
[log]
{{log}}
[[listener]]
name = "main"
address = "127.0.0.1:0"
backend = "app"
{{listener}}
  [[listener.certificate]]
  chain = "{site.chain}"
  key = "{site.key}"
  {{certificate}}
{{route}}
[[backend]]
name = "app"
{{servers}}
{{backend}}
{{health}}
{{end}}
"""
    places = ("process", "tls", "tickets", "session_cache", "admin", "log", "listener", "certificate",
              "route", "backend", "health", "end")

    def run(**texts):
        values = dict.fromkeys(places, "")
        values["servers"] = f'servers = ["{echo.address}"]'
        values.update(texts)
        path = tmp_path / "usher.toml"
        text = base.format(**values)
        path.write_text(text)
        code, _, err = usher.run("--config", path, "--check")
        wanted = [f"{path}:{n}:" for n, line in enumerate(text.splitlines(), 1)
                  if any(line.strip() == edit.splitlines()[0] for edit in texts.values() if edit)]
        return code, err, wanted
    return run


def test_the_base_is_good(check):
    code, err, _ = check()
    assert code == 0, err


# place, line, what the message must contain besides FILE:LINE
UNKNOWN_OR_WRONG = [
    ("process", "worker = 2", "workers"),
    ("process", 'node = 7', "node"),
    ("process", "max_connections = -1", "max_connections"),
    ("process", 'drain_timeout = "30"', "drain_timeout"),
    ("process", 'drain_timeout = "-1s"', "drain_timeout"),
    ("process", 'drain_timeout = 30', "drain_timeout"),
    ("tls", 'min_version = "1.1"', "min_version"),
    ("tls", 'max_version = 1.3', "max_version"),
    ("tls", 'handshake_timeout = "0s"', "handshake_timeout"),
    ("tls", 'cipher = "x"', "ciphers"),
    ("tls", 'session_lifetime = "ten hours"', "session_lifetime"),
    ("tickets", 'source = "imbedded"', "embedded"),
    ("tickets", "per_handshake = 1000", "per_handshake"),
    ("tickets", "per_handshake = 0", "per_handshake"),
    ("tickets", 'rotate_every = "1s"', "60"),
    ("tickets", 'open_max_age = "1m"', "open_max_age"),
    ("admin", 'allow_groups = "wheel"', "allow_groups"),
    ("log", 'level = "loud"', "info"),
    ("log", 'format = "xml"', "logfmt"),
    ("listener", 'client_auth = "maybe"', "optional"),
    ("listener", 'client_auth = "required"', "client_ca"),
    ("listener", 'proxy_protocol = "on"', "proxy_protocol_from"),
    ("listener", 'proxy_protocol_from = ["127.0.0.0/33"]', "127.0.0.0/33"),
    ("listener", 'idel_timeout = "1s"', "idle_timeout"),
    ("listener", "verify_depth = 1000", "verify_depth"),
    ("listener", 'mode = "htp"', '"http"'),
    ("listener", 'hsts = "max-age=1"', "has no effect while 'mode' is"),
    ("listener", "tls_headers = true", "has no effect while 'mode' is"),
    ("session_cache", "redis_timeout = \"30ms\"", "there is no 'redis'"),
    ("session_cache", 'redis = "rediss://127.0.0.1:6379"', "no TLS"),
    ("session_cache", 'redis = "redis://127.0.0.1:port"', "port"),
    ("session_cache", 'redis = ["redis://127.0.0.1:1/2"]', "cluster"),
    ("certificate", "nmaes = []", "names"),
    ("backend", 'balance = "random"', "round_robin"),
    ("backend", 'proxy_protocol = "v3"', "v2"),
    ("backend", 'connect_timeout = "0s"', "connect_timeout"),
    ("servers", 'servers = []', "servers"),
    ("servers", 'servers = ["127.0.0.1"]', "127.0.0.1"),
    ("servers", 'servers = ["127.0.0.1:70000"]', "70000"),
    ("servers", 'servers = [{ address = "127.0.0.1:80", weight = 0 }]', "weight"),
    ("servers", 'servers = [{ weight = 1 }]', "address"),
    ("end", "[prcess]", "process"),
    ("end", "[tls2]", "tls"),
]


@pytest.mark.parametrize("place, text, mentioned", UNKNOWN_OR_WRONG)
def test_mistakes_name_their_line(check, place, text, mentioned):
    code, err, wanted = check(**{place: text})
    assert code == 2
    assert len(wanted) == 1
    assert any(wanted[0] in line and mentioned in line for line in err.splitlines()), err


def test_defaults_of_keys_for_another_mode_are_fine(check):
    code, err, _ = check(
        listener='mode = "tcp"\nforwarded = "x"\nhsts = ""\ntls_headers = false\nmax_headers = 100',
        session_cache='redis = ""\nstateful_tls13 = false',
        backend='tls = false\nqueue = 0\nslow_start = "0s"', health='[backend.health]\ntype = "off"')
    assert code == 0, err


def test_all_mistakes_are_told_at_once(check):
    code, err, wanted = check(process="worker = 2", tls='min_version = "1.1"', listener="nmae = 1")
    assert code == 2
    assert len(wanted) == 3
    assert all(place in err for place in wanted), err


def test_syntax_errors_name_their_line(check):
    code, err, wanted = check(tls="min_version =")
    assert code == 2
    assert wanted[0] in err, err


def test_references_and_duplicates(check, echo):
    other = f'[[backend]]\nname = "app"\nservers = ["{echo.address}"]'
    code, err, _ = check(end=other)
    assert code == 2 and "app" in err


@pytest.mark.parametrize("text, mentioned", [
    ("", "listener"),
    ('[[listener]]\naddress = "127.0.0.1:0"\nbackend = "x"\n', "certificate"),
    ('[[listener]]\nbackend = "x"\n', "address"),
    ('[[listener]]\naddress = "127.0.0.1:0"\n', "backend"),
    ('[[backend]]\nservers = ["127.0.0.1:1"]\n', "name"),
    ('[[backend]]\nname = "x"\n', "servers"),
])
def test_what_is_required(tmp_path, text, mentioned):
    path = tmp_path / "usher.toml"
    path.write_text(text)
    code, _, err = usher.run("--config", path, "--check")
    assert code == 2
    assert f"{path}:" in err and mentioned in err


def test_listener_of_an_unknown_backend(tmp_path, site):
    path = tmp_path / "usher.toml"
    path.write_text(f"""\
[[listener]]
address = "127.0.0.1:0"
backend = "ap"
  [[listener.certificate]]
  chain = "{site.chain}"
  key = "{site.key}"
[[backend]]
name = "app"
servers = ["127.0.0.1:1"]
""")
    code, _, err = usher.run("--config", path, "--check")
    assert code == 2
    assert f"{path}:" in err and "'ap'" in err


@pytest.mark.parametrize("tls_table, mentioned", [
    ('ciphers = "NO-SUCH-CIPHER"', "NO-SUCH-CIPHER"),
    ('ciphersuites = "TLS_NO_SUCH"', "TLS_NO_SUCH"),
    ('groups = "X25519:NOGROUP"', "X25519:NOGROUP"),
    ('sigalgs = "nonsense"', "nonsense"),
    ('min_version = "1.3"\nmax_version = "1.2"', "max_version"),
])
def test_what_openssl_refuses_is_found_by_check(check, tls_table, mentioned):
    code, err, _ = check(tls=tls_table)
    assert code == 2
    table = 4  # of the text in check(), from 1
    lines = range(table, table + len(tls_table.splitlines()) + 1)
    assert any(f"usher.toml:{line}: " in err for line in lines), err
    assert mentioned in err


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"[process]\nnode = \"\xff\"\n", b"\x00" * 100,
                                     b"a=" + b"[" * 10000, b"x" * (2 << 20)],
                         ids=["utf-16", "latin-1", "nul", "deep", "huge"])
def test_files_that_are_no_toml(tmp_path, content):
    path = tmp_path / "usher.toml"
    path.write_bytes(content)
    code, _, err = usher.run("--config", path, "--check")
    assert code == 2
    assert str(path) in err
