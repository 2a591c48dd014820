from datetime import timedelta

import pytest

from incidentkit.errors import ConfigurationError
from incidentkit.model import Threshold
from incidentkit.policy import format_duration, parse_duration, parse_threshold


@pytest.mark.parametrize(("text", "seconds"), [
    ("5m", 300), ("90s", 90), ("1h30m", 5_400), ("1w", 604_800), ("250ms", 0.25), ("1.5h", 5_400), ("2d", 172_800), (" 5 min ", 300),
    ("1 h 30 min", 5_400), ("30m1h", 5_400), ("0.05s", 0.05), ("10 sec", 10), ("3660d", 3660 * 86_400),
])
def test_a_duration_is_written_with_units(text, seconds):
    assert parse_duration(text) == timedelta(seconds=seconds)


def test_a_timedelta_is_a_duration():
    assert parse_duration(timedelta(seconds=3)) == timedelta(seconds=3)


@pytest.mark.parametrize("bad", [
    "", " ", "5", "m", "5x", "5m5m", "5min3m", "-5m", "5m -", "5,5m", "1e3s", "\u0665m", "5 m s", 5, 5.0, True, None, [],
    timedelta(seconds=-1),
    "9" * 5_000 + "s", "999999999999w", "3661d", timedelta(days=3_660, microseconds=1),
])
def test_what_is_no_duration_is_refused_with_its_place(bad):
    with pytest.raises(ConfigurationError, match=r'^here\.wait: found .*expected a duration such as "5m"'):
        parse_duration(bad, "here.wait")


def test_a_bare_number_is_told_to_have_a_unit():
    with pytest.raises(ConfigurationError, match="Write the unit"):
        parse_duration(5)


@pytest.mark.parametrize("zero", ["0s", "0", "0m", timedelta(0)])
def test_zero_is_taken_only_where_it_means_something(zero):
    assert parse_duration(zero, allow_zero=True) == timedelta(0)
    with pytest.raises(ConfigurationError, match="more than zero"):
        parse_duration(zero)


def test_the_shortest_duration_is_more_than_zero():
    assert parse_duration(timedelta(microseconds=1)) == timedelta(microseconds=1)


@pytest.mark.parametrize(("duration", "text"), [
    (timedelta(minutes=5), "5 min"), (timedelta(minutes=90), "1 h 30 min"), (timedelta(milliseconds=250), "250 ms"), (timedelta(0), "0 s"),
    (timedelta(days=1, seconds=1), "1 d 1 s"), (timedelta(microseconds=999), "0 s"), (timedelta(seconds=-90), "-1 min 30 s"),
])
def test_durations_are_shown_in_words(duration, text):
    assert format_duration(duration) == text


def test_a_condition_is_a_count_in_a_time():
    assert parse_threshold("5 in 1m") == Threshold(count=5, within=timedelta(minutes=1))
    assert parse_threshold(" 1  in 1 h 30 min") == Threshold(count=1, within=timedelta(minutes=90))
    assert parse_threshold(parse_threshold("5 in 1m")).count == 5


@pytest.mark.parametrize("bad", ["", "5", "5 in", "0 in 1m", "-1 in 1m", "5 in 0s", "five in 1m", "5in1m", "5 in 1", "5 per 1m", 5, None,
"5 in 1m x"])
def test_what_is_no_condition_is_refused_with_its_place(bad):
    with pytest.raises(ConfigurationError, match=r'^site\.when: found .*expected a condition such as "5 in 1m"'):
        parse_threshold(bad, "site.when")
