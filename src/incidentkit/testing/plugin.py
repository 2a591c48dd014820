"""The pytest plugin: `ik_world` makes Worlds, and a real send is an error unless a test takes `ik_network`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from incidentkit.testing.world import World

__all__ = ["ik_network", "ik_world"]


class RealSendError(AssertionError):
    """A test tried to send for real."""


def _refuse(_: Any) -> None:
    raise RealSendError("a test tried to send for real; take the fixture ik_network if it should, or use ik_world")


@pytest.fixture(autouse=True)
def _ik_no_real_send(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "ik_network" in request.fixturenames:
        return
    import sys

    process = sys.modules.get("incidentkit.engine.process")
    if process is not None:
        monkeypatch.setattr(process.Process, "guard", staticmethod(_refuse))
        return
    monkeypatch.setenv("INCIDENTKIT_NO_REAL_SEND", "1")


@pytest.fixture
def ik_network() -> None:
    """Allow real sends in this test."""


@pytest.fixture
def ik_world() -> Iterator[Callable[..., World]]:
    """Return a function that makes an installed `World` from the keys of `configure()`; it is left when the test ends."""
    from incidentkit.testing.world import World

    with ExitStack() as stack:
        yield lambda **keys: stack.enter_context(World(**keys))
