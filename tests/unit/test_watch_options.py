"""What may be asked of a watch, how it is checked where the watch is made, and how watches made in line are found again."""

import functools
import sys
from datetime import timedelta

import pytest

from incidentkit.errors import ConfigurationError
from incidentkit.host.watch import watch
from incidentkit.model import Severity, Site, Threshold

# Asked of the package, these names are functions.
FRONT, INSTALLED = sys.modules["incidentkit.host.watch"], sys.modules["incidentkit.host.installed"]


def test_defaults_are_those_of_the_design():
    site = watch("usual").site
    assert site == Site(name="usual")
    assert (site.severity, site.when) == (Severity.MINOR, Threshold(count=1, within=timedelta(minutes=1)))
    assert site.quiet_for == timedelta(minutes=5)


def test_the_stated_defaults_are_the_defaults():
    """The signature shows texts; leaving them out must mean the same."""
    stated = watch("usual", service="", severity="minor", when="1 in 1m", quiet="5m", labels=None, ignore=(), only=(), key=None)
    assert stated.site == watch("usual").site


def test_every_option_reaches_the_site():
    site = watch("full", service="payments", severity="sev1", when="5 in 10m", quiet="1h", labels={"team": "money"}).site
    assert site == Site(
        name="full", service="payments", severity=Severity.CRITICAL, when=Threshold(count=5, within=timedelta(minutes=10)),
        quiet_for=timedelta(hours=1), labels={"team": "money"},
    )


def test_options_may_be_values_in_place_of_texts():
    when = Threshold(count=2, within=timedelta(seconds=30))
    site = watch("values", severity=Severity.INFO, when=when, quiet=timedelta(seconds=1)).site
    assert (site.severity, site.when, site.quiet_for) == (Severity.INFO, when, timedelta(seconds=1))


def test_labels_are_copied():
    labels = {"team": "money"}
    site = watch("copied", labels=labels).site
    labels["team"] = "other"
    assert site.labels == {"team": "money"}
    assert watch("copied", labels=labels).site.labels == {"team": "other"}


@pytest.mark.parametrize(
    ("options", "place", "hint"),
    [
        ({"severity": "mayor"}, "severity", "'major'"),
        ({"severity": 9}, "severity", "severity"),
        ({"severity": None}, "severity", "severity"),
        ({"when": "5 per 1m"}, "when", "5 in 1m"),
        ({"when": "0 in 1m"}, "when", "5 in 1m"),
        ({"when": "5 in 1x"}, "when", "1x"),
        ({"when": 5}, "when", "5 in 1m"),
        ({"when": Threshold(count=0, within=timedelta(minutes=1))}, "when", "5 in 1m"),
        ({"when": Threshold(count=1, within=timedelta(0))}, "when", "5 in 1m"),
        ({"quiet": "5 minuets"}, "quiet", "duration"),
        ({"quiet": 300}, "quiet", "5m"),
        ({"quiet": timedelta(0)}, "quiet", "5m"),
        ({"quiet": "0s"}, "quiet", "duration"),
        ({"service": None}, "service", "service"),
        ({"ignore": "ValueError"}, "ignore", "subclass of BaseException"),
        ({"ignore": ValueError()}, "ignore", "subclass of BaseException"),
        ({"ignore": (ValueError, int)}, "ignore", "'int'"),
        ({"ignore": None}, "ignore", "subclass of BaseException"),
        ({"only": KeyboardInterrupt}, "only", "never failures"),
        ({"only": (ValueError, BaseException)}, "only", "never failures"),
        ({"labels": "team=money"}, "labels", "mapping"),
        ({"labels": {"team": 5}}, "team", "a text"),
        ({"labels": {5: "team"}}, "labels", "texts"),
        ({"key": ""}, "key", "not empty"),
        ({"key": 5}, "key", "a key"),
        ({"severty": "major"}, "watch", "'severity'"),
        ({"sevice": "x"}, "watch", "'service'"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("name", [None, "charge"])
def test_a_wrong_option_is_refused_where_it_stands_with_the_place_and_a_hint(name, options, place, hint):
    with pytest.raises(ConfigurationError) as caught: watch(name, **options)
    assert place in str(caught.value)
    assert hint in str(caught.value)
    assert ("watch('charge')" if name else "watch()") in str(caught.value)


@pytest.mark.parametrize("name", ["", "  ", 5, 1.5, (), ["x"]])
def test_a_wrong_name_is_refused(name):
    with pytest.raises(ConfigurationError, match="name"): watch(name)


def test_several_types_may_come_in_any_collection():
    for several in ((KeyError, OSError), [KeyError, OSError], {KeyError, OSError}, frozenset({KeyError, OSError})):
        assert set(watch("several", ignore=several)._ignore) == {KeyError, OSError}


# --- watches made in line -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{}, {"service": "payments", "severity": "major"}, {"labels": {"a": "b"}, "ignore": (KeyError, OSError)}, {"when": "2 in 1m"}],
    ids=repr,
)
def test_the_same_words_give_the_same_watch(options):
    assert watch("in line", **options) is watch("in line", **options)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"service": "a"}),
        ({"service": "a"}, {"service": "b"}),
        ({"service": "key"}, {"key": "service"}),
        ({"service": "a"}, {"key": "a"}),
        ({"labels": {"a": "b"}}, {"labels": {"a": "c"}}),
        ({"ignore": KeyError}, {"only": KeyError}),
    ],
    ids=repr,
)
def test_other_options_give_another_watch_of_the_same_site(one, other):
    assert watch("in line", **one) is not watch("in line", **other)
    assert watch("in line", **one)._state is watch("in line", **other)._state


def test_an_option_that_has_no_hash_costs_time_and_nothing_else():
    assert watch("listed", ignore=[KeyError])._ignore == watch("listed", ignore=[KeyError])._ignore == (KeyError,)


def test_a_function_that_has_no_hash_can_be_watched():
    class Unhashable:
        __hash__ = None
        def __call__(self): return 5

    assert watch(Unhashable())() == 5


def test_options_may_stand_beside_a_function():
    made = watch(functools.partial(int, "5"), service="x")
    assert made() == 5


def test_names_made_from_data_fill_nothing(monkeypatch):
    monkeypatch.setattr(FRONT, "_KEPT_MAX", len(FRONT._BY_OPTIONS) + 5)
    monkeypatch.setattr(INSTALLED, "SITES_MAX", len(INSTALLED._SITES) + 5)
    for number in range(20):
        with watch(f"order-{number}-made-from-data"): pass
    assert len(FRONT._BY_OPTIONS) <= FRONT._KEPT_MAX
    assert len(FRONT._BY_NAME) <= FRONT._KEPT_MAX
    assert len(INSTALLED._SITES) <= INSTALLED.SITES_MAX
