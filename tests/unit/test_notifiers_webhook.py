"""Standard Webhooks: the published vector, both directions, and a payload that always fits."""

import base64
import json
import re
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incidentkit.errors import ConfigurationError
from incidentkit.model import Link, Outcome, PageKind, Response
from incidentkit.notifiers import Webhook, sign_webhook, verify_webhook
from incidentkit.notifiers.webhook import MOST_BYTES
from incidentkit.testing.notifier_kit import HOSTILE, sample_notification

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"k" * 32).decode()
SENT_AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def a_request(notification=None, *, secret=SECRET, **fields):
    return Webhook(url="https://h.example/x", secret=secret, **fields).request(notification or sample_notification())


def verified(request, secret=SECRET, *, now=SENT_AT, headers=None, body=None):
    return verify_webhook(request.content if body is None else body, headers or request.headers, secret, now=now)


def test_the_published_vector():
    """Source: Standard Webhooks, as verified in channels.md 20."""
    body, at = b'{"test": 2432232314}', 1614265330
    signature = sign_webhook(SECRET, id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=at, body=body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    headers = {"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": str(at), "webhook-signature": signature}
    assert verify_webhook(body, headers, SECRET, now=datetime.fromtimestamp(at, UTC))


def test_what_we_sign_we_verify():
    assert verified(a_request())


def test_header_names_may_have_any_case():
    request = a_request()
    assert verified(request, headers={name.title(): value for name, value in request.headers.items()})


def test_a_changed_body_id_timestamp_or_secret_is_not_ours():
    request = a_request()
    assert not verified(request, body=request.content + b" ")
    assert not verified(request, OTHER)
    later = str(int(SENT_AT.timestamp()) + 1)
    for name, value in [("webhook-id", "other"), ("webhook-timestamp", later), ("webhook-signature", "v1,AAAA")]:
        assert not verified(request, headers={**request.headers, name: value}), name


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_an_unsigned_request_is_not_ours(missing):
    request = a_request()
    assert not verified(request, headers={name: value for name, value in request.headers.items() if name != missing})


@pytest.mark.parametrize(("seconds", "is_right"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_a_signature_is_good_for_five_minutes(seconds, is_right):
    assert verified(a_request(), now=SENT_AT + timedelta(seconds=seconds)) is is_right


SIGNED_HEADERS = st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"])


@given(st.binary(max_size=30), st.dictionaries(SIGNED_HEADERS, st.text(max_size=30)))
def test_no_garbage_is_verified_or_raises(body, headers):
    assert not verify_webhook(body, headers, SECRET, now=SENT_AT)


def test_an_id_with_a_dot_is_refused_because_it_moves_the_border_between_id_and_timestamp():
    body = b"x"
    signature = sign_webhook(SECRET, id="a.1", timestamp=2, body=body)
    headers = {"webhook-id": "a.1", "webhook-timestamp": "2", "webhook-signature": signature}
    assert not verify_webhook(body, headers, SECRET, now=datetime.fromtimestamp(2, UTC))


def test_while_a_secret_is_rotated_both_receivers_are_content():
    request = a_request(secret=[OTHER, SECRET])
    assert request.headers["webhook-signature"].count("v1,") == 2
    assert verified(request, SECRET)
    assert verified(request, OTHER)
    assert verified(request, [SECRET, OTHER])


@pytest.mark.parametrize("secret", [SECRET, SECRET.removeprefix("whsec_"), OTHER, OTHER.rstrip("=")])
def test_a_secret_needs_neither_prefix_nor_padding(secret):
    assert verified(a_request(secret=secret), secret)


@pytest.mark.parametrize("size", [23, 65])
def test_a_key_too_short_or_too_long_is_refused(size):
    with pytest.raises(ConfigurationError, match=rf"notifiers.webhook.secret: found '<{size} bytes>'"):
        a_request(secret=base64.b64encode(b"k" * size).decode())


@pytest.mark.parametrize("size", [24, 64])
def test_a_key_at_the_border_is_right(size):
    assert a_request(secret=base64.b64encode(b"k" * size).decode())


@pytest.mark.parametrize("secret", ["whsec_canary!!!", "canary\udc80", "cänary"])
def test_a_wrong_secret_is_refused_and_not_shown(secret):
    with pytest.raises(ConfigurationError) as caught:
        a_request(secret=secret)
    assert "nary" not in str(caught.value)


def test_without_a_secret_nothing_is_signed():
    request = a_request(secret=None)
    assert "webhook-signature" not in request.headers
    assert "webhook-id" in request.headers


def test_every_attempt_of_one_page_has_the_same_id_and_its_own_timestamp():
    first = a_request()
    again = a_request(sample_notification(attempt=2, sent_at=SENT_AT + timedelta(seconds=30)))
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert int(again.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 30
    assert verified(again, now=SENT_AT)


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_idempotency_key_becomes_a_safe_id_and_different_ones_stay_different(one, other):
    ids = [a_request(sample_notification(idempotency_key=key)).headers["webhook-id"] for key in (one, other)]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,128}", value) for value in ids)
    assert (ids[0] == ids[1]) is (one == other)


@pytest.mark.parametrize(
    ("kind", "word"),
    [("first", "incident.triggered"), ("reminder", "incident.reminder"), ("update", "incident.updated"), ("resolved", "incident.resolved")],
)
def test_the_payload_says_what_happened(kind, word):
    sent = json.loads(a_request(sample_notification(PageKind(kind))).content)
    assert (sent["type"], sent["timestamp"]) == (word, "2026-03-01T12:00:00.000Z")
    assert (sent["data"]["number"], sent["data"]["key"], sent["data"]["severity"]) == (12, "queue-memory", "major")
    assert "left_out" not in sent["data"]


def test_details_are_left_out_first_and_the_payload_says_so():
    notification = sample_notification(lines=("x" * 1_000,) * 30)
    sent = json.loads(a_request(notification).content)
    assert sent["data"]["left_out"] == ["lines"]
    assert sent["data"]["labels"] == {"team": "Queue memory overload"}


@pytest.mark.parametrize("extra", range(-3, 4))
def test_the_border_of_20_kb_is_respected(extra):
    spare = MOST_BYTES - len(a_request(sample_notification(lines=("",), text="")).content)
    request = a_request(sample_notification(lines=("x" * (spare + extra),), text=""))
    assert len(request.content) < MOST_BYTES
    assert ("left_out" in json.loads(request.content)["data"]) is (extra >= 0)


@settings(max_examples=30, deadline=None)  # a megabyte of text takes a while on a busy machine
@given(st.text(max_size=50), st.integers(1, 1_000), st.sampled_from(["x", "é", "\N{PILE OF POO}", "\x00", '"', "\udc80"]))
def test_whatever_it_holds_it_fits_and_is_json(text, times, character):
    huge = text + character * 30 * times
    notification = sample_notification(text=huge, lines=(huge,) * 3, note=huge)
    incident = attrs.evolve(
        notification.incident, key=huge, service=huge, environment=huge, tenant=huge, cause=huge, evidence=huge, acknowledged_by=huge,
        labels={huge: huge}, links=(Link(href=huge),), assignees=(huge,), policies=(huge,), responders=(huge,),
    )
    request = a_request(attrs.evolve(notification, incident=incident, person=huge))
    assert len(request.content) < MOST_BYTES
    assert json.loads(request.content)["data"]["number"] == 12
    assert verified(request)


@given(st.text(max_size=100))
def test_untrusted_text_never_reaches_a_header(text):
    request = a_request(sample_notification(text=text, idempotency_key=text))
    assert all(value.isascii() and value.isprintable() for value in request.headers.values())
    assert set(request.headers) == {"content-type", "webhook-id", "webhook-timestamp", "webhook-signature"}


def test_own_headers_are_sent_and_cannot_replace_ours():
    request = a_request(headers={"authorization": "Bearer t", "content-type": "text/plain"})
    assert request.headers["authorization"] == "Bearer t"
    assert request.headers["content-type"] == "application/json"


def test_the_default_target_shows_no_credential():
    """A target is stored, shown and logged; the URL of a webhook is a password."""
    notifier = Webhook(url="https://h.example:8443/canary?canary", secret=SECRET, headers={"authorization": "canary"})
    assert notifier.to == "https://h.example:8443"
    assert "canary" not in repr(notifier)
    assert SECRET not in repr(notifier)
    assert (notifier.is_quiet, notifier.deadline) == (True, timedelta(minutes=15))


def test_a_verdict_names_nothing():
    assert Webhook(url="https://h").verdict(Response(status=200, content=b"ref"), sample_notification()).ref == ""
    assert Webhook(url="https://h").verdict(Response(status=503), sample_notification()).outcome is Outcome.RETRY


def test_hostile_text_arrives_as_it_is_because_json_needs_no_cleaning():
    sent = json.loads(a_request(sample_notification(text=HOSTILE[:80])).content)
    assert sent["data"]["title"] == HOSTILE[:80].replace("\udc80", "?")
