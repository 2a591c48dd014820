"""`python -m incidentkit`: which command is asked for. The core needs no extra for it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code."""
    parser = argparse.ArgumentParser(prog="incidentkit", description="An application handles its own incidents.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="a small real application fails, is noticed, told, acknowledged and repaired, in under 30 s")
    demo.add_argument("--directory", type=Path, help="where the SQLite file goes (default: a new temporary directory, kept)")
    options = parser.parse_args(argv)
    from incidentkit.cli._demo import run

    return run(options.directory)
