# The one list of Debian 12 packages, by what needs them, and the one way to install them.
# Sourced by deploy/quickstart.sh, tests/run.sh, .ci/run and bench/compare/run.sh.

packages_build=(g++ cmake ninja-build pkg-config libuv1-dev libssl-dev prometheus-cpp-dev
  libtomlplusplus-dev libcli11-dev libfmt-dev libcap-ng-dev libboost-dev nlohmann-json3-dev libgtest-dev
  libbenchmark-dev libhiredis-dev libnghttp2-dev libtcmalloc-minimal4)
packages_demo=(curl openssl python3)
packages_test=(python3 python3-pytest python3-pytest-xdist python3-cryptography curl openssl
  gnutls-bin prometheus redis-server nginx libnginx-mod-stream haproxy nghttp2-client python3-hpack
  python3-websockets)
packages_ci=(clang clang-format clang-tidy libclang-rt-14-dev llvm)
packages_bench=(hitch nginx libnginx-mod-stream haproxy nghttp2-proxy nghttp2-client h2o redis-server curl openssl python3)

# install_packages GROUP…: installs what is missing of the groups, without asking and without leaving a
# server running. Root or sudo; does nothing (and needs neither) when everything is there.
install_packages() {
  local group missing=() name
  for group in "$@"; do
    local -n names="packages_$group"
    for name in "${names[@]}"; do
      package_present "$name" || missing+=("$name")
    done
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  local -a as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
      echo "missing packages: ${missing[*]}: run as root, or install sudo" >&2
      return 1
    }
    as_root=(sudo)
  fi
  echo "installing: ${missing[*]}" >&2
  "${as_root[@]}" bash -c "$(declare -f install_quietly); install_quietly \"\$@\"" _ "${missing[@]}"
}

package_present() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Runs as root, in a shell of its own. policy-rc.d is Debian's switch against starting services while
# packages are configured; a policy that the machine already has stays.
install_quietly() {
  set -euo pipefail
  export DEBIAN_FRONTEND=noninteractive
  local policy=/usr/sbin/policy-rc.d wants=/etc/systemd/system/multi-user.target.wants
  local log unit before after
  log=$(mktemp)
  # shellcheck disable=SC2064 # the names are wanted as they are now
  if [ -e "$policy" ]; then
    trap "rm -f '$log'" EXIT
  else
    trap "rm -f '$log' '$policy'" EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  before=$(ls "$wants" 2>/dev/null || true)
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"; } >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    echo "apt-get could not install: $*" >&2
    return 1
  }
  # Nor at the next boot: what these packages enabled is disabled again, as `systemctl disable` would,
  # which a machine without systemd lacks.
  after=$(ls "$wants" 2>/dev/null || true)
  for unit in $(comm -13 <(sort <<<"$before") <(sort <<<"$after")); do
    rm -f "$wants/$unit"
  done
}
