#!/usr/bin/env bash
# Builds Usher and runs its tests, from a clean clone on a bare Debian 12; installs what is missing.
#   tests/run.sh [--preset release|debug|asan|tsan] [all | unit [CTEST ARG…] | integration [PYTEST ARG…]]
# The last line is `N passed, N failed`, each test counted. Fails if one failed or none ran.
# USHER_WERROR=ON in the environment makes warnings errors, as .ci/run does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source deploy/packages.sh

preset=release
usage() { sed -n '2,6p' "$0" >&2; exit 2; }
if [ "${1:-}" = --preset ]; then
  preset=${2:-}
  shift 2 || usage
fi
case "$preset" in release | debug | asan | tsan) ;; *) usage ;; esac
part=${1:-all}
[ $# -eq 0 ] || shift
case "$part" in all) [ $# -eq 0 ] || usage ;; unit | integration) ;; *) usage ;; esac

# GCC 12's ThreadSanitizer knows the memory layout without address randomisation only (newer kernels
# randomise more bits than it expects).
if [ "$preset" = tsan ] && [ -z "${USHER_FIXED_LAYOUT:-}" ]; then
  export USHER_FIXED_LAYOUT=1
  exec setarch "$(uname -m)" -R "$0" --preset tsan "$part" "$@"
fi

export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:quarantine_size_mb=16}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-second_deadlock_stack=1}

build=build/$preset
results=$build/test-results

build() {
  install_packages build test &&
    cmake --preset "$preset" ${USHER_WERROR:+"-DUSHER_WERROR=$USHER_WERROR"} >/dev/null &&
    cmake --build --preset "$preset"
}

run_unit() {
  ctest --test-dir "$build" --label-regex unit --parallel "$(nproc)" --timeout 120 \
    --output-on-failure --output-junit "$PWD/$results/unit.xml" "$@" || true
}

# Most of a test's time is waiting, so one process more than there are CPUs.
run_integration() {
  local argument where=tests/integration
  for argument in "$@"; do
    [ ! -e "${argument%%::*}" ] || where=
  done
  USHER_BUILD=$PWD/$build /usr/bin/python3 -m pytest --numprocesses "$(($(nproc) + 1))" --quiet \
    --junit-xml "$results/integration.xml" ${where:+"$where"} "$@" || true
}

build || {
  echo "FAILED the build of $preset"
  echo "0 passed, 1 failed"
  exit 1
}
rm -rf "$results"
mkdir -p "$results"
wanted=()
case "$part" in
  all) run_unit && run_integration; wanted=(unit integration) ;;
  unit) run_unit "$@"; wanted=(unit) ;;
  integration) run_integration "$@"; wanted=(integration) ;;
esac
exec /usr/bin/python3 tests/support/count.py "${wanted[@]/#/$results/}"
