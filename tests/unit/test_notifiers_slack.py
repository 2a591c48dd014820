"""Slack: which call is made, that untrusted text is never markup, that limits hold, and what its answers mean."""

import html
import json
import re
from datetime import timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidentkit.errors import ConfigurationError
from incidentkit.model import Delivery, Link, Outcome, PageKind, Response, Severity, Status
from incidentkit.notifiers import Slack
from incidentkit.notifiers.slack_message import escaped, message
from incidentkit.testing.notifier_kit import HOSTILE, sample_notification

BOT = Slack(token="xoxb-canary", to="#ops")
WEBHOOK = Slack(url="https://hooks.slack.com/services/T/B/canary")
REF = "C0123:1503435956.000247"
TEXTS = st.text(max_size=120) | st.text(alphabet="<>&|!@#*_`~: \n\\x1b", max_size=120)


def call(kind=PageKind.FIRST, *, notifier=BOT, **fields):
    """Return the method and the body of the call."""
    request = notifier.request(sample_notification(kind, **fields))
    return request.url.rpartition("/")[2], json.loads(request.content)


def test_the_first_page_is_posted_to_the_channel():
    method, body = call()
    assert (method, body["channel"]) == ("chat.postMessage", "#ops")
    assert "thread_ts" not in body


def test_a_target_wins_over_the_default():
    assert call(target="#payments")[1]["channel"] == "#payments"


def test_a_reminder_answers_in_the_thread_and_is_seen_in_the_channel():
    """A reply that only the thread shows wakes nobody."""
    method, body = call(PageKind.REMINDER, ref=REF)
    assert (method, body["channel"], body["thread_ts"], body["reply_broadcast"]) == ("chat.postMessage", "C0123", "1503435956.000247", True)


@pytest.mark.parametrize("kind", [PageKind.UPDATE, PageKind.RESOLVED])
def test_news_edit_the_first_message_by_the_channels_id(kind):
    method, body = call(kind, ref=REF, target="#ops")
    assert (method, body["channel"], body["ts"]) == ("chat.update", "C0123", "1503435956.000247")


@pytest.mark.parametrize("kind", list(PageKind))
@pytest.mark.parametrize("ref", ["", "nonsense", ":1.2", "C0123:"])
def test_without_a_whole_reference_it_is_posted(kind, ref):
    method, body = call(kind, ref=ref)
    assert (method, body["channel"]) == ("chat.postMessage", "#ops")
    assert "ts" not in body
    assert "thread_ts" not in body


def test_a_first_page_never_edits():
    """A new cycle pages again; an edit would be silent."""
    assert call(PageKind.FIRST, ref=REF)[0] == "chat.postMessage"


def test_a_webhook_posts_whatever_it_is():
    request = WEBHOOK.request(sample_notification(PageKind.RESOLVED, ref=REF))
    assert request.url == "https://hooks.slack.com/services/T/B/canary"
    assert set(json.loads(request.content)) == {"text", "blocks", "link_names", "unfurl_links", "unfurl_media"}


def test_a_bot_without_a_channel_says_where_to_state_one():
    with pytest.raises(ConfigurationError, match=r"notifiers\.slack\.to"):
        Slack(token="x").request(sample_notification())


def test_secrets_are_not_in_the_repr_nor_in_the_target():
    assert "canary" not in repr(BOT) + repr(WEBHOOK) + WEBHOOK.to
    assert "canary" not in repr(Slack(token="x", base_url="https://proxy.example/canary/api"))
    assert (WEBHOOK.to, BOT.is_quiet, BOT.deadline) == ("https://hooks.slack.com", True, timedelta(minutes=15))


# --- text


def untrusted_everywhere(text):
    notification = sample_notification(text=text)
    incident = attrs.evolve(
        notification.incident, service=text, environment=text,
        links=(Link(href="https://h.example/" + text, text=text), Link(href=text, text=text)),
    )
    return attrs.evolve(notification, incident=incident, lines=(text, text))


def texts_of(body):
    yield body["text"]
    for block in body["blocks"]:
        yield from (element["text"] for element in block.get("elements", [block.get("text")]))


@given(TEXTS)
def test_untrusted_text_is_never_markup(text):
    """`<!channel>` in an exception's message must not wake the company."""
    body = message(untrusted_everywhere(text))
    for shown in texts_of(body):
        without_links = re.sub(r"<https?://[^<>|\s]+\|[^<>|]*>", "", shown)
        assert "<" not in without_links
        assert ">" not in without_links
        assert not re.search(r"&(?!amp;|lt;|gt;)", without_links)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", shown)


@given(TEXTS)
def test_every_link_is_whole_and_leads_where_it_said(text):
    shown = message(untrusted_everywhere(text))["blocks"][-1]["text"]["text"]
    for line in shown.splitlines():
        assert re.fullmatch(r"<https?://[^<>|\s\"]+\|[^<>|]+>", line), line


@pytest.mark.parametrize("href", ["javascript:alert(1)", "data:text/html,x", "!channel", "mailto:a@b", "//h/x", ""])
def test_only_web_links_are_links(href):
    notification = sample_notification()
    notification = attrs.evolve(notification, incident=attrs.evolve(notification.incident, links=(Link(href=href, text="x"),)))
    assert "<" not in json.dumps(message(notification))


def test_names_and_links_in_text_are_not_expanded():
    body = message(sample_notification(text="@channel #general http://h.example"))
    assert (body["link_names"], body["unfurl_links"], body["unfurl_media"]) == (False, False, False)
    elements = [element for block in body["blocks"] for element in block.get("elements", [block.get("text")])]
    assert all(element["verbatim"] for element in elements if element["type"] == "mrkdwn")
    assert all(element["emoji"] is False for element in elements if element["type"] == "plain_text")


@given(st.text(max_size=400) | st.text(alphabet="<>&a", max_size=400), st.integers(min_value=1, max_value=200))
def test_escaping_keeps_within_the_limit_and_cuts_no_entity(text, most):
    shown = escaped(text, most)
    assert len(shown) <= most
    whole = not shown.endswith("…") or shown == text
    kept = shown if whole else shown[:-1]
    assert not re.search(r"&(?!amp;|lt;|gt;)", kept)
    assert text.startswith(html.unescape(kept)) or "&" in text  # html knows more entities than Slack
    assert kept.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == (text if whole else text[: len(unescaped(kept))])


def unescaped(shown):
    return shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


@pytest.mark.parametrize(
    ("text", "most", "shown"),
    [
        ("abc", 3, "abc"), ("abcd", 3, "ab…"), ("a<", 5, "a&lt;"), ("a<", 4, "a…"), ("<<", 8, "&lt;&lt;"), ("<<", 7, "&lt;…"),
        ("&", 5, "&amp;"),
        ("&", 4, "…"), ("", 3, ""), ("\N{PILE OF POO}" * 4, 3, "\N{PILE OF POO}" * 2 + "…"),
    ],
)
def test_the_borders_of_the_cut(text, most, shown):
    assert escaped(text, most) == shown


@given(TEXTS, st.integers(min_value=1, max_value=200))
def test_slacks_limits_hold_for_any_text(text, times):
    body = message(untrusted_everywhere((text + "<&") * times))
    assert 0 < len(body["text"]) <= 1_000
    assert len(body["blocks"]) <= 50
    for block in body["blocks"]:
        most = 150 if block["type"] == "header" else 3_000
        elements = block.get("elements", [block.get("text")])
        assert 0 < len(elements) <= 10
        assert all(0 < len(element["text"]) <= most for element in elements)


def test_there_is_always_a_fallback_text():
    assert message(sample_notification(text=""))["text"].strip()
    assert "Queue memory overload" in message(sample_notification())["text"]


def test_hostile_text_is_small_when_sent():
    assert len(BOT.request(sample_notification(text=HOSTILE)).content) < 40_000


def test_the_symbol_says_how_bad_it_is_and_when_it_is_over():
    seen = set()
    for severity in Severity:
        notification = sample_notification()
        incident = attrs.evolve(notification.incident, severity=severity)
        seen.add(message(attrs.evolve(notification, incident=incident))["text"][0])
    over = message(sample_notification(PageKind.RESOLVED))["text"][0]
    assert len(seen) == 4
    assert over not in seen
    acknowledged = sample_notification(PageKind.UPDATE)
    acknowledged = attrs.evolve(acknowledged, incident=attrs.evolve(acknowledged.incident, status=Status.ACKNOWLEDGED))
    assert message(acknowledged)["text"][0] in seen


def test_an_unrecorded_page_says_so():
    assert "unrecorded" in json.dumps(message(sample_notification(is_unrecorded=True)))


# --- verdicts


def verdict(body, *, status=200, notifier=BOT, kind=PageKind.FIRST, ref="", **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = Response(status=status, content=content, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return notifier.verdict(response, sample_notification(kind, ref=ref))


def test_ok_names_the_message_by_channel_id_and_timestamp():
    assert verdict({"ok": True, "channel": "C9", "ts": "1503435956.000247"}) == Delivery.accepted("C9:1503435956.000247")


def test_a_timestamp_is_text_and_never_a_number():
    """1503435956.000240 as a float would lose its last digit, and the edit would miss the message."""
    assert verdict({"ok": True, "channel": "C9", "ts": "1503435956.000240"}).ref == "C9:1503435956.000240"
    assert verdict({"ok": True, "channel": "C9", "ts": 1503435956.00024}).ref == ""


@pytest.mark.parametrize("kind", [PageKind.REMINDER, PageKind.UPDATE, PageKind.RESOLVED])
def test_the_first_message_stays_the_reference(kind):
    """The answer to a reply names the reply; the resolve must edit the root."""
    assert verdict({"ok": True, "channel": "C0123", "ts": "9.9"}, kind=kind, ref=REF).ref == REF


@pytest.mark.parametrize(
    "error", ["channel_not_found", "not_in_channel", "is_archived", "invalid_auth", "token_revoked", "msg_too_long", "new_one"],
)
def test_what_a_person_must_mend_is_refused(error):
    assert verdict({"ok": False, "error": error}) == Delivery.refused(f"Slack: {error}")


@pytest.mark.parametrize(
    ("error", "perhaps"),
    [("ratelimited", False), ("service_unavailable", False), ("internal_error", True), ("fatal_error", True), ("request_timeout", True)],
)
def test_what_passes_by_itself_is_tried_again(error, perhaps):
    delivery = verdict({"ok": False, "error": error}, retry_after="3")
    assert (delivery.outcome, delivery.may_have_arrived, delivery.retry_after) == (Outcome.RETRY, perhaps, timedelta(seconds=3))


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>captive portal</html>", b"[]", b"3", b"{", b'{"ok":"true"}', b'{"ok":false,"error":["x"]}', b"[" * 90_000, b"\xff"],
)
@pytest.mark.parametrize("notifier", [BOT, WEBHOOK], ids=["bot", "webhook"])
def test_an_answer_that_is_not_slacks_is_tried_again_because_slack_has_not_refused(notifier, body):
    delivery = verdict(body, notifier=notifier)
    assert (delivery.outcome, delivery.may_have_arrived) == (Outcome.RETRY, True)


@pytest.mark.parametrize("notifier", [BOT, WEBHOOK], ids=["bot", "webhook"])
@pytest.mark.parametrize(
    ("status", "outcome"), [(301, "refused"), (403, "refused"), (404, "refused"), (410, "refused"), (429, "retry"), (500, "retry")],
)
def test_a_status_counts_before_the_text(notifier, status, outcome):
    assert verdict(b"ok", status=status, notifier=notifier).outcome is Outcome(outcome)


def test_a_rate_limit_says_how_long():
    assert verdict(b"", status=429, retry_after="30").retry_after == timedelta(seconds=30)


@pytest.mark.parametrize(
    ("text", "outcome"), [(b"ok", "accepted"), (b"ok\n", "accepted"), (b"no_service", "refused"), (b"rollup_error", "retry")],
)
def test_a_webhook_says_ok_and_nothing_else_when_it_is(text, outcome):
    assert verdict(text, notifier=WEBHOOK).outcome is Outcome(outcome)


def test_what_slack_says_at_length_is_not_repeated():
    assert "canary" not in verdict({"ok": False, "error": "canary canary"}).reason
    assert "canary" not in verdict(b"canary canary", notifier=WEBHOOK).reason
