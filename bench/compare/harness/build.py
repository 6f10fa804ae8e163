"""The programs of a run: built where they are missing."""

import os
import pathlib
import subprocess

from processes import BenchError

ROOT = pathlib.Path(__file__).resolve().parents[3]
USHER = ROOT / "build/release/proxy/usher"
TOOLS = ROOT / "build/bench-compare"
DEBIAN = {"hitch": "/usr/sbin/hitch", "nginx": "/usr/sbin/nginx", "haproxy": "/usr/sbin/haproxy",
          "nghttpx": "/usr/sbin/nghttpx", "h2o": "/usr/bin/h2o"}


def binaries(peer_names):
    """{peer name: path}; usher is built only when it is asked for and not there."""
    paths = {name: pathlib.Path(path) for name, path in DEBIAN.items()}
    paths["usher"] = pathlib.Path(os.environ.get("USHER") or USHER)
    if "usher" in peer_names and paths["usher"] == USHER and not USHER.exists():
        run_build(["cmake", "--preset", "release"])
        run_build(["cmake", "--build", "--preset", "release", "--target", "usher"])
    for name in peer_names:
        if not os.access(paths[name], os.X_OK):
            raise BenchError(f"{name}: no program at {paths[name]}")
    return {name: paths[name].resolve() for name in peer_names}


def tools():
    """The folder with bench_client and bench_backend, brought up to date."""
    source = ROOT / "bench/compare"
    run_build(["cmake", "-S", source, "-B", TOOLS, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release"])
    run_build(["cmake", "--build", TOOLS])
    return TOOLS


def run_build(argv):
    """Quiet unless it fails."""
    done = subprocess.run(argv, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(map(str, argv))} failed:\n{done.stdout[-4000:]}")
