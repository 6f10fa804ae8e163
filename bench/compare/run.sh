#!/usr/bin/env bash
# Compares usher with Debian's proxies (TCP mode: hitch, nginx; HTTP mode: nginx, haproxy, nghttpx, h2o):
# installs what is missing, then harness/compare.py builds and measures.
# Options: --quick, --only NAME,…, --peers NAME,…, --rounds N, --json PATH; see README.md here.
# USHER=PATH measures that binary instead of build/release/proxy/usher.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../../deploy/packages.sh"
install_packages build bench
exec /usr/bin/python3 "$here/harness/compare.py" "$@"
