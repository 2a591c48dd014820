"""Write the generated pages: `docs/defaults.md` from `Settings`, the table and diagram of `docs/lifecycle.md` from RULES."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import attrs

from incidentkit.lifecycle import state_diagram
from incidentkit.policy import format_duration
from incidentkit.settings import Settings

HERE = Path(__file__).parent
MARK = "<!-- generated below: python docs/generate.py -->\n"


def shown(value: Any) -> str:
    """Return a default as people read it."""
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Enum):
        return str(value.value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def defaults_table() -> str:
    """Return one row for each setting."""
    rows = ["| setting | default | what it is |", "|---|---|---|"]
    rows += [f"| `{field.name}` | {shown(field.default)} | {field.metadata['about']} |" for field in attrs.fields(Settings)]
    return "\n".join(rows) + "\n"


PAGES = {"defaults.md": defaults_table, "lifecycle.md": state_diagram}


def page(name: str) -> str:
    """Return a page as it should be: what is written by hand up to the mark, then what is generated."""
    head = (HERE / name).read_text(encoding="utf-8").partition(MARK)[0]
    return f"{head}{MARK}\n{PAGES[name]()}"


if __name__ == "__main__":
    for each in PAGES:
        (HERE / each).write_text(page(each), encoding="utf-8")
