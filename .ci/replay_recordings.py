"""Replay the recorded exchanges of a real CVAT 1.0.0 against a new sandbox, and count how many agree.

The argument is the folder that contains `tools/replay_v1.py` and `recordings/cvat-1.0.0`. The exit status is 1 when
fewer exchanges agree than required.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

AGREE, VALUES = 0.98, 0.95
USERS = ("root:rootpass:superuser", "alex:pass12345!:staff", "dabai:pass12345!", "carol:pass12345!")


def main(shared: Path) -> int:
    """Run the replay and print how many exchanges agree; return the exit status."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as holder:
        # The replay serves files for the sandbox on this port. It is bound here, so that no other process gets it.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        remote_port = holder.getsockname()[1]
        share, report = Path(folder, "share"), Path(folder, "report.json")
        share.mkdir()
        command = [sys.executable, "-m", "cvat_sandbox", "--port", "0", "--share", str(share)]
        command += [
            "--allow-remote",
            f"127.0.0.1:{remote_port}",
            *(part for user in USERS for part in ("--user", user)),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sandbox:
            try:
                address = _address(sandbox)
                replay = [sys.executable, str(shared / "tools" / "replay_v1.py"), "--base", address]
                replay += ["--recordings", str(shared / "recordings" / "cvat-1.0.0"), "--json", str(report)]
                subprocess.run([*replay, "--share", str(share), "--remote-port", str(remote_port)], check=True)
            finally:
                sandbox.terminate()
        total = json.loads(report.read_text())["totals"]["all"]
    enough = total["agree"] >= AGREE * total["of"] and total["values"] >= VALUES * total["of"]
    result = "enough" if enough else "too few"
    print(f"replay: {total['agree']} of {total['of']} agree, {total['values']} in values too: {result}")
    return 0 if enough else 1


def _address(sandbox: subprocess.Popen[str]) -> str:
    """Return the address that the sandbox prints when it listens."""
    assert sandbox.stdout is not None
    for line in sandbox.stdout:
        if found := re.search(r"http://\S+", line):
            return found[0].rstrip("/")
    raise SystemExit("replay: the sandbox ended before it was ready")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
