"""The other programs that terminate TLS with ticket keys of their own files: Debian's nginx and HAProxy,
in the foreground, each on a port that is held for it (so that none is guessed)."""

import contextlib
import pathlib
import socket

from . import waiting
from .process import LoggedProcess


class _Peer(LoggedProcess):
    """Serves `certificates` (support.certificates.Issued) until it is killed with the test."""

    def wait_ready(self):
        def answers():
            assert self.running(), self.log()
            with contextlib.suppress(ConnectionRefusedError, ConnectionResetError):
                with socket.create_connection(self.address(), waiting.PATIENCE) as probe:
                    probe.sendall(b"no hello\r\n\r\n")
                    return probe.recv(1) or True
        waiting.until(answers, f"{type(self).__name__} to answer")
        return self

    def address(self):
        return "127.0.0.1", self.port


class Nginx(_Peer):
    """module: "http" answers every request by itself, "stream" forwards to `backend`."""

    def __init__(self, directory, module, certificates, key_files, backend=None, client_ca=None):
        # Bound, not listening: nginx alone gets connections, and nobody else the port.
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._held.bind(("127.0.0.1", 0))
        self.port = self._held.getsockname()[1]
        path = pathlib.Path(directory) / "nginx.conf"
        path.write_text(_nginx_text(directory, module, _nginx_server(
            self.port, certificates, key_files, client_ca), backend))
        super().__init__(["/usr/sbin/nginx", "-p", directory, "-e", "stderr", "-c", path])

    def kill(self):
        super().kill()
        self._held.close()


def _nginx_server(port, certificates, key_files, client_ca):
    lines = [f"listen 127.0.0.1:{port} ssl reuseport;", "ssl_protocols TLSv1.2 TLSv1.3;"]
    for issued in certificates:
        lines += [f"ssl_certificate {issued.chain};", f"ssl_certificate_key {issued.key};"]
    lines += [f"ssl_session_ticket_key {path};" for path in key_files]
    if client_ca:
        lines += [f"ssl_client_certificate {client_ca.file};", "ssl_verify_client on;"]
    return " ".join(lines)


def _nginx_text(directory, module, server, backend):
    head = f"daemon off; master_process off; pid {directory}/nginx.pid; events {{}}\n"
    if module == "stream":
        return ("load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n" + head
                + f"stream {{ server {{ {server} proxy_pass {backend.address}; }} }}\n")
    temporary = " ".join(f"{kind}_temp_path {directory}/{kind};"
                         for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return head + (f"http {{ access_log off; {temporary} server {{ server_name site.test; {server}"
                   " return 200 \"from nginx\"; } }\n")


class Haproxy(_Peer):
    """mode tcp, forwards to `backend`."""

    def __init__(self, directory, certificates, key_file, backend):
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        bundles = [_pem_with_key(directory, at, issued) for at, issued in enumerate(certificates)]
        path = pathlib.Path(directory) / "haproxy.cfg"
        path.write_text(
            "defaults\n mode tcp\n timeout connect 10s\n timeout client 1m\n timeout server 1m\n"
            "frontend tls\n"
            f" bind fd@{listening.fileno()} ssl {' '.join(f'crt {bundle}' for bundle in bundles)}"
            f" ssl-min-ver TLSv1.2 tls-ticket-keys {key_file}\n"
            " default_backend app\n"
            f"backend app\n server one {backend.address}\n")
        super().__init__(["/usr/sbin/haproxy", "-db", "-f", path], pass_fds=[listening.fileno()])
        listening.close()


def _pem_with_key(directory, at, issued):
    path = pathlib.Path(directory) / f"haproxy-{at}.pem"
    path.write_bytes(issued.chain.read_bytes() + issued.key.read_bytes())
    path.chmod(0o600)
    return path
