"""Reading a match from text: the grammar of Alertmanager's matchers with `in (...)` and an order on severity and priority."""

from __future__ import annotations

import re
from typing import Final, NoReturn

from incidentkit.errors import ConfigurationError, nearest
from incidentkit.model import Priority, Severity, SignalStatus
from incidentkit.policy.matching import RANKED, Comparison, Match, Op
from incidentkit.policy.patterns import Pattern, PatternError

__all__ = ["parse_match"]

#: A match is written by a person; what is longer was generated, and belongs in labels.
MOST_MATCH: Final = 10_000

_SPACE: Final = re.compile(r"\s*")
_NAME: Final = re.compile(r"[^\s{}!=~,\"'\\`<>()]+")
_VALUE: Final = re.compile(r"[^\s{}!=~,\"'\\`]+")
_LISTED: Final = re.compile(r"[^\s{}!=~,\"'\\`()]+")
_QUOTED: Final = re.compile(r'"((?:[^"\\\n]|\\.)*+)"', re.DOTALL)
_OPS: Final = re.compile(r"=~|!~|!=|>=|<=|=|>|<")
_LIST: Final = re.compile(r"in\s*\(")
_BACKSLASH: Final = re.compile(r"\\(?:x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_ESCAPES: Final = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, '"': 34}
#: Words of the next version: a label of that name would change its meaning then.
_LATER: Final = ("count", "during")


def parse_match(text: str | Match, place: str = "match") -> Match:
    """
    Return the match that *text* states: `service="payments", team=~"pay.*", severity>=major`. Empty text matches everything.

    Raises:
        ConfigurationError: The text is none; the message has the column and shows the line with a mark below it.
    """
    if isinstance(text, Match): return text
    if not isinstance(text, str):
        raise ConfigurationError.at(place, text, 'a match such as \'service="payments"\'')
    if len(text) > MOST_MATCH:
        raise ConfigurationError.at(place, text, f"at most {MOST_MATCH:,} characters")
    return _Reader(text, place).match()


class _Reader:
    """One pass over the text, from left to right."""

    def __init__(self, text: str, place: str) -> None:
        self.text = text
        self.place = place
        self.at = 0

    def match(self) -> Match:
        is_braced = self._take("{")
        found: list[Comparison] = []
        while not self._is_over():
            if found and not self._take(","): self._refuse("a comma" if not is_braced else "a comma or }")
            if self._is_over():
                break  # a comma at the end
            found.append(self._comparison())
        if is_braced and not self._take("}"): self._refuse("}, for the { at the start")
        self._skip()
        if self.at < len(self.text): self._refuse("the end" if is_braced else "no }, for there is no { at the start")
        return Match(tuple(found))

    # -- pieces ------------------------------------------------------------------------------------------------------------------------

    def _comparison(self) -> Comparison:
        self._skip()
        start = self.at
        name = self._word(_NAME, "the name of a field or label")
        if name in _LATER: self._refuse(f"no {name} condition: it is not in this version", start, remedy=f'A label: labels.{name}="...".')
        self._skip()
        operator = self.at
        if self._match(_LIST): return self._listed(name)
        found = self._match(_OPS)
        if found is None: self._refuse('an operator: = != =~ !~ >= > <= < or in ("a", "b")')
        op = Op(found[0])
        if op.is_order and name not in RANKED:
            self._refuse("= != =~ or !~: an order exists on severity and priority only", operator)
        self._skip()
        start = self.at
        value = self._word(_VALUE, "a value, in quotes if it has spaces or any of { } ! = ~ , \" ' \\ `")
        if op.is_pattern: return Comparison(name, op, (value,), self._pattern(value, start))
        return Comparison(name, op, (self._meant(name, value, start),))

    def _listed(self, name: str) -> Comparison:
        values: list[str] = []
        while not self._take(")") or not values:
            if values and not self._take(","): self._refuse("a comma or )")
            if values and self._take(")"): break
            self._skip()
            start = self.at
            values.append(self._meant(name, self._word(_LISTED, "a value"), start))
        return Comparison(name, Op.ONE_OF, tuple(dict.fromkeys(values)))

    def _pattern(self, value: str, start: int) -> Pattern:
        try:
            return Pattern(value)
        except PatternError as error:
            is_plain = error.position is not None and self.text[start + 1:].startswith(value)  # no escape moved it
            at = start + 1 + (error.position or 0) if is_plain and self.text[start] == '"' else start
            self._refuse(f"a pattern that can be matched: {error}", at)

    def _meant(self, name: str, value: str, start: int) -> str:
        """Return the one spelling of a value that has several: sev2 is major, p1 is P1."""
        try:
            if name == "severity": return Severity.parse(value).value
            if name == "priority": return Priority(value.upper()).value
            if name == "status": return SignalStatus(value.lower()).value
        except ValueError:
            kinds = {"severity": Severity, "status": SignalStatus}
            words = [member.value for member in kinds.get(name, Priority)]
            close = nearest(value, words)
            self._refuse(f"a {name}: {', '.join(words)}", start, remedy=f"Did you mean {close!r}?" if close else "")
        return value

    def _word(self, plain: re.Pattern[str], expected: str) -> str:
        self._skip()
        start = self.at
        if (found := self._match(plain)) is not None: return found[0]
        if (found := self._match(_QUOTED)) is not None: return self._unquoted(found[1], start)
        if self.text[self.at:self.at + 1] == '"': self._refuse('a closing " on the same line')
        return self._refuse(expected)

    def _unquoted(self, text: str, start: int) -> str:
        if "\\" not in text: return text
        out, last = bytearray(), 0
        for found in _BACKSLASH.finditer(text):
            byte, octal, short, long, other = found.groups()
            code = int(byte or short or long or "0", 16) if octal is None else int(octal, 8)
            if other is not None: code = _ESCAPES.get(other, -1)
            is_byte = byte is not None or octal is not None
            if code < 0 or code > (0xFF if is_byte else 0x10FFFF) or 0xD800 <= code <= 0xDFFF:
                expected = r"an escape that Go knows: \\ \" \n \t \xff \u00ff \U0001f642; a backslash is written \\"
                self._refuse(expected, start + 1 + found.start())
            out += text[last:found.start()].encode("utf-8", "surrogatepass") + (bytes([code]) if is_byte else chr(code).encode())
            last = found.end()
        out += text[last:].encode("utf-8", "surrogatepass")
        try:
            return out.decode("utf-8")
        except UnicodeDecodeError:
            return self._refuse("escapes that are together valid UTF-8", start)

    # -- the position ------------------------------------------------------------------------------------------------------------------

    def _skip(self) -> None:
        if (found := _SPACE.match(self.text, self.at)) is not None: self.at = found.end()

    def _match(self, expression: re.Pattern[str]) -> re.Match[str] | None:
        found = expression.match(self.text, self.at)
        if found is not None: self.at = found.end()
        return found

    def _take(self, char: str) -> bool:
        self._skip()
        is_there = self.text.startswith(char, self.at)
        self.at += is_there
        return is_there

    def _is_over(self) -> bool:
        self._skip()
        return self.at >= len(self.text) or self.text[self.at] == "}"

    def _refuse(self, expected: str, at: int | None = None, *, remedy: str = "") -> NoReturn:
        at = self.at if at is None else at
        begin = self.text.rfind("\n", 0, at) + 1
        line = self.text[begin:].partition("\n")[0]
        shift = max(0, at - begin - 100)  # a long line is shown around the mark
        shown = "".join(char if char.isprintable() else " " for char in line[shift:shift + 130])
        mark = f"\n    {shown}\n    {' ' * (at - begin - shift)}^"
        where = f"at column {at - begin + 1}" + (f" of line {self.text.count(chr(10), 0, at) + 1}" if "\n" in self.text else "")
        raise ConfigurationError.at(self.place, self.text, f"{expected} ({where})", remedy=remedy + mark)
