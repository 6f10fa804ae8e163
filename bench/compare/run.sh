#!/bin/sh
# Compares usher with Debian's hitch and nginx (stream): installs what is missing, then harness/compare.py
# builds and measures.
# Options: --quick, --only NAME,…, --peers NAME,…, --rounds N, --json PATH; see README.md here.
# USHER=PATH measures that binary instead of build/release/proxy/usher.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

# Package: the file that shows that it is there.
needed='g++:/usr/bin/g++ cmake:/usr/bin/cmake ninja-build:/usr/bin/ninja
libssl-dev:/usr/include/openssl/ssl.h libcli11-dev:/usr/include/CLI/CLI.hpp
libfmt-dev:/usr/include/fmt/format.h python3:/usr/bin/python3 openssl:/usr/bin/openssl
hitch:/usr/sbin/hitch nginx:/usr/sbin/nginx libnginx-mod-stream:/usr/lib/nginx/modules/ngx_stream_module.so'
# Of usher itself, when it must be built.
needed_for_usher='pkgconf:/usr/bin/pkgconf libuv1-dev:/usr/include/uv.h
prometheus-cpp-dev:/usr/include/prometheus/registry.h libtomlplusplus-dev:/usr/include/toml++/toml.h
libcap-ng-dev:/usr/include/cap-ng.h libboost-dev:/usr/include/boost/version.hpp
libgtest-dev:/usr/include/gtest/gtest.h libbenchmark-dev:/usr/include/benchmark/benchmark.h
libtcmalloc-minimal4:/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4'

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

install_missing() {
  missing=
  for entry in "$@"; do
    [ -e "${entry#*:}" ] || missing="$missing ${entry%%:*}"
  done
  [ -n "$missing" ] || return 0
  echo "installing:$missing" >&2
  as_root apt-get update -q >&2
  # shellcheck disable=SC2086
  without_services as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends $missing >&2
}

# The packages' services must not start: they would take ports 80 and 443 of this machine.
without_services() (
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
    as_root chmod 755 /usr/sbin/policy-rc.d
  fi
  "$@"
)

# shellcheck disable=SC2086
install_missing $needed
if [ -z "${USHER-}" ] && [ ! -x "$root/build/release/proxy/usher" ]; then
  # shellcheck disable=SC2086
  install_missing $needed_for_usher
fi
exec /usr/bin/python3 "$here/harness/compare.py" "$@"
