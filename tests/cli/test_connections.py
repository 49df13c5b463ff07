"""No command opens a connection: all but loopback is forbidden, in this process and in those that it starts."""

import os
import socket
import subprocess
import sys

import pytest

#: Becomes `sitecustomize` of every Python that a command starts, the ones in simulators too.
GUARD = '''
import ipaddress, os, sys

def _guard(event, arguments):
    if event not in ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"):
        return
    address = arguments[-1] if event.startswith("socket.s") or event == "socket.connect" else arguments
    host = address[0] if isinstance(address, tuple) and address else None
    if isinstance(host, bytes):
        host = host.decode()
    try:
        is_here = host in (None, "", "localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_here = False
    with open(os.environ["OXNOR_GUARD"], "a") as seen:
        seen.write(("here " if is_here else "elsewhere ") + event + " " + str(host) + "\\n")
    if not is_here and os.environ["OXNOR_GUARD"]:
        raise PermissionError("a connection to " + str(host))

sys.addaudithook(_guard)
'''
COMMANDS = {
    "networks": ["networks"],
    "info": ["info", "mnist-tfc", "--explain"],
    "doctor": ["doctor"],
    "simulate": ["simulate", "mnist-tfc", "--images", 20],
    "generate": ["generate", "mnist-tfc", "-o", "rtl"],
    "sweep": ["sweep", "mnist-tfc", "--images", 50, "--trials", 2, "-o", "s.sqlite"],
    "report": ["report", "s.sqlite", "-o", "r.html"],
    "playground": ["playground", "mnist-tfc", "-o", "p.html"],
    "export": ["export", "mnist-tfc", "-o", "net.onnx"],
    "import": ["import", "net.onnx", "-o", "net.npz"],
    "device": ["device", "show"],
    "vectors": ["tools", "vectors", "mnist-tfc", "-o", "v", "--images", 2],
    "new": ["new", "mine"],
}


@pytest.fixture(scope="module")
def guard(tmp_path_factory):
    """Return the environment of a guarded process, and the file where the guard notes what it sees."""
    folder = tmp_path_factory.mktemp("guard")
    (folder / "sitecustomize.py").write_text(GUARD)
    paths = f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}".rstrip(os.pathsep)
    return os.environ | {"PYTHONPATH": paths, "OXNOR_GUARD": str(folder / "seen")}, folder / "seen"


def test_no_command_connects(guard, tmp_path):
    environment, seen = guard
    lines = ["import sys", "import sitecustomize", f"assert sitecustomize.__file__.startswith({str(seen.parent)!r})",
             "from typer.testing import CliRunner", "from oxnor.cli.app import app"]  # fmt: skip
    for name, arguments in COMMANDS.items():
        lines += [f"r = CliRunner().invoke(app, {[str(a) for a in arguments]!r})",
                  f"print({name!r}, r.exit_code, repr(r.exception), r.stderr[-300:] if r.exit_code else '', flush=True)"]  # fmt: skip
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=tmp_path, env=environment, capture_output=True,
                          text=True, timeout=600, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    ended = [line.split()[:2] for line in done.stdout.splitlines() if line.split()[:1] and line.split()[0] in COMMANDS]
    assert ended == [[name, "0"] for name in COMMANDS], done.stdout
    assert "elsewhere" not in (seen.read_text() if seen.exists() else "")


@pytest.mark.parametrize(
    ("what", "is_here"),
    [
        ("socket.create_connection(('192.0.2.1', 80), 1)", False),
        ("socket.getaddrinfo('example.com', 80)", False),
        ("socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))", False),
        ("import urllib.request; urllib.request.urlopen('http://192.0.2.1/', timeout=1)", False),
        ("socket.create_connection(('127.0.0.1', PORT), 5)", True),
    ],
)
def test_the_guard_sees(what, is_here, guard):
    environment, seen = guard
    seen.unlink(missing_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = "import socket; " + what.replace("PORT", str(server.getsockname()[1]))
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == is_here
    assert ("a connection to" in done.stderr) != is_here
    assert ("elsewhere" in seen.read_text()) != is_here
