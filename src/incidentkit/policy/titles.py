"""Title: a title made of declared fields, `{service}: {title} ({labels.team})`. No expression, no format, nothing of the host is called."""

from __future__ import annotations

from string import Formatter
from typing import Any, Final

import attrs

from incidentkit.errors import ConfigurationError
from incidentkit.policy.subject import FIELDS, Subject

__all__ = ["MOST_TITLE", "Title", "parse_title"]

#: The title is one line on a telephone; what is longer stands in the facts below it.
MOST_TITLE: Final = 300


@attrs.frozen
class Title:
    """A template: literal text and the names of fields, in turn."""

    text: str
    parts: tuple[tuple[str, str], ...] = attrs.field(repr=False, eq=False)

    def of(self, subject: Subject) -> str:
        """Return the title of *subject*: one line, at most 300 characters."""
        made = "".join(literal + (subject.get(name) if name else "") for literal, name in self.parts)
        return " ".join(made.split())[:MOST_TITLE]


def parse_title(text: Title | str | None, place: str = "title") -> Title | None:
    """
    Return the template that *text* states, or None where nothing is stated.

    Raises:
        ConfigurationError: A brace is alone, or a name in braces is no field, label or detail.
    """
    if text is None or isinstance(text, Title): return text
    expected = "a title with fields in braces, such as '{service}: {title}'"
    stated: Any = text  # from a file it is anything
    if not isinstance(stated, str) or not stated.strip(): raise ConfigurationError.at(place, stated, expected)
    try:
        pieces = list(Formatter().parse(text))
    except ValueError as error:
        raise ConfigurationError.at(place, text, expected, remedy="A brace itself is written twice: {{ or }}.") from error
    parts = []
    for literal, name, spec, conversion in pieces:
        if name is not None and (spec or conversion or not _is_declared(name)):
            remedy = "" if "." in name else f"A label is written {{labels.{name or 'team'}}}."
            found = name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            known = (*FIELDS, "labels.<name>", "details.<path>")
            raise ConfigurationError.at(place, found, f"the name of a field in {text!r}", known=known, remedy=remedy)
        parts.append((literal, name or ""))
    return Title(text, tuple(parts))


def _is_declared(name: str) -> bool:
    head, _, rest = name.partition(".")
    return name in FIELDS or (head in {"labels", "details"} and bool(rest) and "[" not in rest)
