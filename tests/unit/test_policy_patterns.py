"""Patterns: what is taken, what it matches (as `re.fullmatch` does), and what is refused. That none is slow: test_policy_properties.py."""

import contextlib
import re

import pytest

from incidentkit.policy._automaton import MOST_POSITIONS, MOST_STEPS
from incidentkit.policy.patterns import MOST_PATTERN, MOST_TEXT, Pattern, PatternError

PATTERNS = [
    "", "a", "pay.*", ".*pay", ".*quux.*", "a|b|prod-(eu|us)", "(?i)Pay", "(?i:PA)y", "(?s).*", "(?s:.)a", "[a-c]+", "[^a]*", "[^\\d]\\d?",
    "a{2}",
    "a{2,3}", "a{2,}", "a{,2}b", "a?b?c?", "(ab|a)(bc|c)", "^a$", "^a|b$", "(^a)(b$)", "a*?b", "(?:a|b)*c", "\\.", "x\\w\\s\\S\\W\\D",
    "(a|ab)*b",
    "(\\w+,)*\\w+", "[]-]", "[\\]\\\\^-]", "(?P<n>a)b", "\\Aa\\Z", "a{0}", "(a{0}b)?", "(?x) a b", "(a?){3}", "[é-ö]", "(?a:\\w)", "a.b",
    "(?:)",
    "(a|)+b", "(?:a?b?)c*", "((a))", "b{1,3}?a", "(?m)^a$", "(|a)b",
]
TEXTS = [
    "", "a", "b", "c", "aa", "aaa", "aaaa", "ab", "abc", "abb", "aab", "pay", "PAY", "Pay", "payments", "xpay", "xquuxy", "prod-eu",
    "prod-x", "a\nb",
    "a\n", "\n", "a.b", ".", "x_ !-a", "a,b", "a,b,", "]", "-", "\\", "^", "é", "ö", "ä", "1", "x1", "abab", "bb", "ababb", "aac", "bbba",
    "K", "ſ",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_matches_what_the_standard_library_matches(pattern):
    ours = Pattern(pattern)
    assert {text for text in TEXTS if ours.matches(text)} == {text for text in TEXTS if re.fullmatch(pattern, text)}


@pytest.mark.parametrize(("pattern", "why"), [
    ("(?=a)a", "lookaround"), ("a(?!b)", "lookaround"), ("(?<=a)b", "lookaround"), ("(?<!a)b", "lookaround"), ("(a)\\1", "a backreference"),
    ("(?P<x>a)(?P=x)", "a backreference"), ("(a)?(?(1)b|c)", "a backreference"), ("(?>a)b", "an atomic group"),
    ("a*+b", "a possessive repeat"),
    ("\\bpay", "a word boundary"), ("a^b", "an anchor in the middle"), ("a$b", "an anchor in the middle"),
    ("(a$)+", "an anchor in the middle"),
    ("(a+)+", "endless repeat of an endless repeat"), ("(a*)*", "endless repeat of an endless repeat"), ("((a|b+))*c", "endless repeat of"),
    ("(a*b?)*", "endless repeat of"), ("(x|(y*))+", "endless repeat of"), (".*.*", "side by side"), ("x(a+)(a*)", "side by side"),
    ("(b|.*.*)c", "side by side"), ("a{501}", "of more than 500 characters"), ("(a{30}){30}", "of more than 500 characters"),
    ("(((a{9}){9}){9}){9}", "of more than 500 characters"), ("a" * 501, "501 characters long, 500 are allowed"), ("(", "missing )"),
    ("a**", "multiple repeat"), ("*", "nothing to repeat"), ("[b-a]", "bad character range"), ("(?z)", "unknown extension"),
    ("\\", "bad escape"),
    ("[[a]", "not understood by every Python"), ("a{99999999999}", "not understood by every Python"),
])
def test_a_pattern_that_could_stall_or_means_nothing_is_refused(pattern, why):
    with pytest.raises(PatternError, match=re.escape(why)):
        Pattern(pattern)


@pytest.mark.parametrize("pattern", ["(\\w+,)*x", "(a|b)*", "\\s*,\\s*", "(ab+c)*", ".*a.*b.*", "[a-z]*[a-z0-9]*", "a*b*", "(a{2,5})*"])
def test_a_repeat_that_has_something_of_its_own_in_each_turn_is_taken(pattern):
    Pattern(pattern)


@pytest.mark.parametrize("depth", [100, 240])
def test_deep_nesting_ends_in_an_answer(depth):
    with contextlib.suppress(PatternError):
        assert Pattern("(" * depth + "a" + ")" * depth).matches("a")


def test_the_longest_pattern_is_taken():
    assert Pattern("a" * MOST_PATTERN).matches("a" * MOST_PATTERN)
    assert Pattern(f"a{{{MOST_POSITIONS}}}").matches("a" * MOST_POSITIONS)


def test_a_pattern_sees_the_beginning_of_a_long_text():
    assert Pattern("a*").matches("a" * MOST_TEXT + "b")
    assert not Pattern("a*").matches("a" * (MOST_TEXT - 1) + "b")


@pytest.mark.parametrize(("pattern", "words"), [
    ("a", {"a"}), ("a|b|prod-(eu|us)", {"a", "b", "prod-eu", "prod-us"}), ("[ab]c", {"ac", "bc"}), ("^a$", {"a"}), ("", {""}),
    ("(|a)", {"", "a"}),
    ("a.", None), ("(?i)a", None), ("(?i:a)b", None), ("[a-b]", None), ("[^a]", None), ("a?", None), ("[ab]" * 7, None),
])
def test_few_words_are_known_to_an_index(pattern, words):
    assert Pattern(pattern).words == words


def test_hostile_text_does_not_make_memory_grow():
    """An alphabet that never repeats would otherwise be remembered for ever."""
    pattern = Pattern("(?s:.*)x")
    for start in range(0x4E00, 0x4E00 + 20_000, 500):
        assert not pattern.matches("".join(map(chr, range(start, start + 500))))
    assert pattern._automaton._steps <= MOST_STEPS
    assert pattern.matches("abcx")


def test_a_pattern_is_shown_by_its_text():
    assert repr(Pattern("a+")) == "Pattern('a+')"
