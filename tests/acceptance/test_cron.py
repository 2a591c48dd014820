"""A script that fails once and ends has told somebody before its process has ended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from incidentkit.testing.local_server import LocalServer

SCRIPT = """
import sys
import incidentkit as ik
ik.configure(app="cron", state_directory=sys.argv[1], notifiers={"slack": {"type": "slack", "url": sys.argv[2]}})
with ik.watch("nightly-import"):
    raise RuntimeError("no such table: orders")
"""


def test_a_cron_script_has_told_somebody_before_it_ends(tmp_path: Path):
    with LocalServer() as server:
        ended = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path), server.slack_webhook], capture_output=True, text=True,
                               timeout=60, check=False)
        assert ended.returncode == 1
        assert "no such table: orders" in ended.stderr
        (told,) = server.requests  # no waiting: it must be there when the process is gone
    assert "nightly-import" in told.body.decode()


def test_a_receiver_that_never_answers_does_not_hold_the_exit(tmp_path: Path):
    """exit_timeout is the most that an exit may take; the page goes on after a restart."""
    from incidentkit.testing.local_server import Answer

    with LocalServer() as server:
        server.script(Answer(is_held=True))
        subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path), server.slack_webhook], capture_output=True, timeout=20, check=False)
        assert len(server.requests) == 1
