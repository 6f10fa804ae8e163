"""A started program whose standard error is read as log lines."""

import re
import subprocess
import threading
import time

from . import waiting

_FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)')


def fields_of(line):
    """A logfmt line as a dict; what is not logfmt gives what can be found in it."""
    return {name: value[1:-1].replace('\\"', '"').replace("\\\\", "\\") if value[:1] == '"' else value
            for name, value in _FIELD.findall(line)}


class LoggedProcess:
    """Starts argv. Its log can be waited for; what it prints on standard output is kept as well."""

    def __init__(self, argv, **popen):
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen)
        self.pid = self.process.pid
        self.stdout, self.stderr = [], []
        self._changed = threading.Condition()
        self._readers = [self._read(self.process.stdout, self.stdout),
                         self._read(self.process.stderr, self.stderr)]

    def _read(self, stream, lines):
        def loop():
            with stream:
                for raw in stream:
                    with self._changed:
                        lines.append(raw.decode("utf-8", "backslashreplace").rstrip("\n"))
                        self._changed.notify_all()
        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        return thread

    def mark(self):
        """The log's length now: waiting for a line after it."""
        with self._changed:
            return len(self.stderr)

    def wait_log(self, message, since=0, **fields):
        """The fields of the first line with this msg and these fields; waits for it."""
        def found(line):
            have = fields_of(line)
            return have.get("msg") == message and all(have.get(k) == str(v) for k, v in fields.items())
        return fields_of(self._wait_line(self.stderr, found, since, f"log line {message!r} {fields}"))

    def wait_stdout(self, prefix, since=0):
        """The rest of the first line of standard output that starts so."""
        line = self._wait_line(self.stdout, lambda text: text.startswith(prefix), since, prefix)
        return line[len(prefix):]

    def wait_stderr(self, text, since=0):
        return self._wait_line(self.stderr, lambda line: text in line, since, f"{text!r} in the log")

    def _wait_line(self, lines, wanted, since, what):
        deadline = time.monotonic() + waiting.PATIENCE
        with self._changed:
            seen = since
            while True:
                for line in lines[seen:]:
                    if wanted(line):
                        return line
                seen = len(lines)
                left = deadline - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self._reading()):
                    raise AssertionError(f"no {what}; the log:\n{self.log()}")
                self._changed.wait(min(left, 0.1))

    def _reading(self):
        return any(thread.is_alive() for thread in self._readers)

    def log(self):
        with self._changed:
            return "\n".join(self.stderr[-200:])

    def send(self, signal):
        self.process.send_signal(signal)

    def wait_exit(self, timeout=None):
        """The exit code, once all output has been read."""
        try:
            code = self.process.wait(timeout or waiting.PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end; the log:\n{self.log()}") from None
        for thread in self._readers:
            thread.join(waiting.PATIENCE)
        return code

    def running(self):
        return self.process.poll() is None

    def kill(self):
        if self.running():
            self.process.kill()
        self.process.wait()
