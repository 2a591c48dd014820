"""Notifiers from the configuration file: what is right, and what is said about what is wrong."""

import pytest

import incidentkit.notifiers
from incidentkit.errors import ConfigurationError
from incidentkit.notifiers import Log, Slack, Stderr, Webhook, notifier_from_table
from incidentkit.ports import HttpNotifier, SendNotifier

CANARY = "canary5e4d3c2b"


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"type": "log"}, Log(name="n")),
        ({"type": "log", "to": "alerts"}, Log(name="n", to="alerts")),
        ({"type": "stderr"}, Stderr(name="n")),
        ({"type": "webhook", "url": "https://h/x"}, Webhook(name="n", url="https://h/x")),
        (
            {"type": "webhook", "url": "https://h/x", "secret": ["a" * 32, "b" * 32], "headers": {"x": "y"}},
            Webhook(name="n", url="https://h/x", secret=["a" * 32, "b" * 32], headers={"x": "y"}),
        ),
        ({"type": "slack", "token": "xoxb", "to": "#c"}, Slack(name="n", token="xoxb", to="#c")),
        ({"type": "slack", "url": "https://hooks.slack.com/services/x"}, Slack(name="n", url="https://hooks.slack.com/services/x")),
    ],
)
def test_a_right_table_is_a_notifier(table, expected):
    assert notifier_from_table("n", table) == expected
    assert isinstance(expected, HttpNotifier) != isinstance(expected, SendNotifier)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"type": "slak", "token": "x"}, r"notifiers.s.type: found 'slak', expected a type of notifier. Did you mean 'slack'\?"),
        ({"token": "x"}, r"notifiers.s.type: found None, expected a type of notifier. Known: log, slack, stderr, webhook"),
        ({"type": 3}, r"notifiers.s.type: found 3"),
        ({"type": "twilio_voice"}, r"The channel 'twilio_voice' is not in this version"),
        ({"type": "email"}, r"The channel 'email' is not in this version"),
        ({"type": "slack", "tokn": CANARY}, r"notifiers.s.tokn: found 'tokn', expected a key of this type. Did you mean 'token'\?"),
        ({"type": "slack"}, r"notifiers.s: found 'neither', expected either url"),
        ({"type": "slack", "token": CANARY, "url": f"https://h/{CANARY}"}, r"notifiers.s: found 'both'"),
        ({"type": "slack", "token": ""}, r"notifiers.s.token: found '', expected some text; is its variable set\?"),
        ({"type": "slack", "token": [CANARY]}, r"notifiers.s.token: found '<list, not shown>', expected text"),
        ({"type": "slack", "token": f"{CANARY}\r\nX: y"}, r"notifiers.s.token"),
        ({"type": "slack", "token": "x", "base_url": f"slack.com/{CANARY}"}, r"notifiers.s.base_url: found '<not a URL>'"),
        ({"type": "webhook"}, r"notifiers.s.url: found None, expected a value"),
        ({"type": "webhook", "url": f"htp://h/{CANARY}"}, r"notifiers.s.url: found '<not a URL>', expected a URL"),
        ({"type": "webhook", "url": f"https://h/ {CANARY}"}, r"notifiers.s.url: found 'https://h'"),
        ({"type": "webhook", "url": "https://h", "secret": [CANARY, 3]}, r"notifiers.s.secret: found '<list, not shown>', expected"),
        ({"type": "webhook", "url": "https://h", "secret": CANARY}, r"notifiers.s.secret: found"),
        ({"type": "webhook", "url": "https://h", "headers": {"a": 3}}, r"notifiers.s.headers: found '<dict, not shown>', expected a table"),
        ({"type": "webhook", "url": "https://h", "headers": {"a": f"{CANARY}\n"}}, r"notifiers.s.headers.a"),
        ({"type": "stderr", "to": "x"}, r"notifiers.s.to: found 'to', expected a key of this type"),
        (CANARY, r"notifiers.s: found '<str, not shown>', expected a table"),
    ],
)
def test_a_wrong_table_names_the_place_and_the_right_spelling_and_no_secret(table, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        notifier_from_table("s", table)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a:b", " a", "a\n"])
def test_a_name_that_could_not_be_told_from_its_target_is_refused(name):
    with pytest.raises(ConfigurationError, match="a name"):
        notifier_from_table(name, {"type": "log"})


def test_every_name_of_the_package_resolves_lazily():
    assert {getattr(incidentkit.notifiers, name).__name__ for name in incidentkit.notifiers.__all__} == set(incidentkit.notifiers.__all__)
    with pytest.raises(AttributeError):
        _ = incidentkit.notifiers.Pigeon
