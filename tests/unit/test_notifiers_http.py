"""What URLs, statuses and Retry-After mean: pure functions shared by every HTTP channel."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidentkit.errors import ConfigurationError
from incidentkit.model import Outcome, Response
from incidentkit.notifiers._http import LONGEST_RETRY_AFTER, checked_headers, checked_url, delivery_by_status, origin_of, retry_after

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CANARY = "canary5e4d3c2b"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (100, "refused"), (199, "refused"), (200, "accepted"), (204, "accepted"), (299, "accepted"), (300, "refused"), (301, "refused"),
        (399, "refused"), (400, "refused"), (401, "refused"), (404, "refused"), (407, "refused"), (408, "retry"), (409, "refused"),
        (410, "refused"), (422, "refused"), (428, "refused"), (429, "retry"), (430, "refused"), (499, "refused"), (500, "retry"),
        (502, "retry"), (503, "retry"), (504, "retry"), (599, "retry"), (600, "refused"), (999, "refused"),
    ],
)
def test_a_status_means_what_the_retry_matrix_says(status, outcome):
    assert delivery_by_status(Response(status=status), now=NOW).outcome is Outcome(outcome)


def test_gone_says_what_to_do():
    assert "take it out" in delivery_by_status(Response(status=410), now=NOW).reason


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0), ("1", 1), ("30", 30), (" 30 ", 30), ("1.5", 1.5), ("0.25", 0.25), ("-5", 0), ("300", 300), ("301", 300), ("86400", 300),
        ("9" * 300, 300), ("9" * 400, 300), ("1e9", None), ("inf", None), ("nan", None), ("soon", None), ("", None), ("5 s", None),
        ("٣", None),  # a digit, but no HTTP
        ("Sun, 01 Mar 2026 12:00:07 GMT", 7), ("Sun, 01 Mar 2026 11:00:00 GMT", 0), ("Sun, 01 Mar 2099 11:00:00 GMT", 300),
        ("Sunday, 01-Mar-26 12:00:07 GMT", 7), ("Sun Mar  1 12:00:07 2026", 7), ("Sun, 99 Foo 2026 99:99:99 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_never_absurd(text, seconds):
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert retry_after(Response(status=429, headers={"retry-after": text}), now=NOW) == expected


def test_a_date_is_measured_from_the_servers_own_clock():
    """A server an hour ahead that asks for ten seconds must not be waited for an hour."""
    headers = {"retry-after": "Sun, 01 Mar 2026 13:00:10 GMT", "date": "Sun, 01 Mar 2026 13:00:00 GMT"}
    assert retry_after(Response(status=503, headers=headers), now=NOW) == timedelta(seconds=10)


@given(st.text(max_size=60))
def test_whatever_retry_after_says_the_wait_is_bounded(text):
    waited = retry_after(Response(status=429, headers={"retry-after": text, "date": text}), now=NOW)
    assert waited is None or timedelta(0) <= waited <= LONGEST_RETRY_AFTER


@pytest.mark.parametrize(
    "url",
    ["http://h", "https://h.example:8443/a/b?c=d", "http://127.0.0.1:80/", "http://[::1]:9/x", "https://xn--bcher-kva.example/p"],
)
def test_right_urls_pass_unchanged(url):
    assert checked_url("here", url) == url


@pytest.mark.parametrize(
    "url",
    [
        f"ftp://h/{CANARY}", f"h.example/{CANARY}", f"https:///{CANARY}", f"https://h/{CANARY} x", f"https://h/\n{CANARY}",
        f"https://h:99999/{CANARY}", f"https://h:x/{CANARY}", f"https://{CANARY}:{CANARY}@h/", f"http://[::1/{CANARY}", "",
        f"javascript:{CANARY}", f"https://h\\{CANARY}",
    ],
)
def test_a_wrong_url_is_refused_without_showing_what_may_be_a_credential(url):
    with pytest.raises(ConfigurationError, match="here: found") as caught:
        checked_url("here", url)
    assert CANARY not in str(caught.value)


@given(st.text(max_size=80))
def test_an_origin_never_shows_path_query_or_user(text):
    shown = origin_of(f"https://user:{CANARY}@h.example/{text}{CANARY}?{CANARY}")
    assert shown in {"https://h.example", "<not a URL>"}


@pytest.mark.parametrize("headers", [{"a b": "x"}, {"": "x"}, {"a:": "x"}, {"a": "x\r\ny"}, {"a": "\x00"}, {"a": "é"}])
def test_a_header_that_could_start_another_is_refused(headers):
    with pytest.raises(ConfigurationError):
        checked_headers("here", headers)
