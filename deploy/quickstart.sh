#!/usr/bin/env bash
# From a clean clone to a running Usher: installs what is missing, builds, starts a demo backend with
# Usher in front, and proves with curl and openssl that an answer and a resumption came through.
#   deploy/quickstart.sh [--once]
# Stays until Ctrl-C, which ends everything that it started; --once ends after the proof.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source deploy/packages.sh

once=
case "${1:-}" in
  '') ;;
  --once) once=1 ;;
  *) sed -n '2,5p' "$0" >&2; exit 2 ;;
esac

work=$(mktemp -d)
backend_pid='' usher_pid=''

# end PID SIGNAL: this signal, and after two seconds the one that nobody can refuse.
end() {
  [ -n "$1" ] && kill "-$2" "$1" 2>/dev/null || return 0
  for _ in $(seq 20); do
    kill -0 "$1" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}
finish() {
  local code=$?
  trap - EXIT INT TERM
  end "$usher_pid" QUIT
  end "$backend_pid" TERM
  rm -rf "$work"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  echo "quickstart: $1" >&2
  [ ! -s "$work/usher.log" ] || tail -n 20 "$work/usher.log" >&2
  exit 1
}

build() {
  install_packages build demo
  cmake --preset release >"$work/configure.log" || { cat "$work/configure.log" >&2; exit 1; }
  echo "building build/release (some minutes the first time)"
  cmake --build --preset release --target usher
}

# expect FD PREFIX NAME: reads lines until one starts with PREFIX and prints the rest of it.
expect() {
  local line
  while IFS= read -r -t 20 -u "$1" line; do
    case "$line" in "$2"*) printf '%s' "${line#"$2"}"; return 0 ;; esac
  done
  return 1
}

start_backend() {
  mkfifo "$work/backend.out"
  /usr/bin/python3 deploy/demo_backend.py >"$work/backend.out" &
  backend_pid=$!
  exec 3<"$work/backend.out"
  backend=$(expect 3 'listening on ') || fail 'the demo backend did not start'
}

# Somebody else on 8443 (another Usher would even share it, by SO_REUSEPORT): let the kernel choose.
free_address() {
  if (exec 9<>/dev/tcp/127.0.0.1/8443) 2>/dev/null; then echo 127.0.0.1:0; else echo 127.0.0.1:8443; fi
}

start_usher() {
  mkfifo "$work/usher.out"
  build/release/proxy/usher quick --backend "$backend" --listen "$(free_address)" \
    >"$work/usher.out" 2>"$work/usher.log" &
  usher_pid=$!
  exec 4<"$work/usher.out"
  url=$(expect 4 'listening on ') || fail 'usher did not start'
  port=${url##*:}
  metrics=$(expect 4 'metrics on ') || fail 'usher named no metrics address'
}

# One request on a fresh connection by openssl's client; prints the line that says New or Reused.
handshake() {
  printf 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' |
    timeout 20 openssl s_client -connect "127.0.0.1:$port" -servername localhost -ign_eof "$@" \
      2>/dev/null | grep -m1 -E '^(New|Reused), '
}

prove() {
  local answer first second
  answer=$(curl -sSk --max-time 20 "https://localhost:$port/") || fail 'curl got no answer'
  echo "curl -k https://localhost:$port/"
  echo "    $answer"
  first=$(handshake -sess_out "$work/session") || fail 'no TLS connection'
  second=$(handshake -sess_in "$work/session") || fail 'no second TLS connection'
  echo "openssl s_client, twice"
  echo "    first:  $first"
  echo "    second: $second"
  case "$first/$second" in New,*/Reused,*) ;; *) fail 'the second connection did not resume' ;; esac
}

show_next() {
  cat <<TEXT

Usher is listening on $url in front of http://$backend. Try next, from another terminal:
    curl -k https://localhost:$port/
    openssl s_client -connect 127.0.0.1:$port -servername localhost -tls1_2 -reconnect
    curl $metrics
    build/release/proxy/usher quick --backend HOST:PORT        # in front of your own server
    build/release/proxy/usher --config conf/usher.toml --check # a configuration file
Ctrl-C ends everything.
TEXT
}

build
start_backend
start_usher
prove
[ -z "$once" ] || exit 0
show_next
wait "$usher_pid" || fail 'usher ended by itself'
