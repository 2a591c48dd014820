"""Report: what came of a run of the suite."""

from __future__ import annotations

import attrs

__all__ = ["CaseResult", "Report"]


@attrs.frozen(kw_only=True)
class CaseResult:
    """One case: its name, the sentence it holds, and what went wrong ("" when nothing did)."""

    name: str
    rule: str
    error: str = ""
    is_skipped: bool = False


@attrs.frozen(kw_only=True)
class Report:
    """All cases that ran, in order."""

    results: tuple[CaseResult, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """Return the names of the cases that failed."""
        return tuple(result.name for result in self.results if result.error)

    @property
    def is_ok(self) -> bool:
        """Return True when no case failed."""
        return not self.failed

    def __str__(self) -> str:
        lines = [f"{result.name}: {result.error}\n    ({result.rule})" for result in self.results if result.error]
        skipped = sum(result.is_skipped for result in self.results)
        lines.append(f"{len(self.results) - len(lines) - skipped} passed, {len(lines)} failed, {skipped} skipped")
        return "\n".join(lines)

    def check(self) -> None:
        """
        Return when no case failed.

        Raises:
            AssertionError: Some did; the message has all of them.
        """
        if not self.is_ok:
            raise AssertionError("\n" + str(self))
