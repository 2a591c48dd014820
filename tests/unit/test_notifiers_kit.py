"""What users test with: the conformance checks, the recording double, the local server's Slack."""

import json
import threading
from datetime import timedelta

import attrs
import pytest

from incidentkit.model import Delivery, PageKind, Request
from incidentkit.notifiers import Log, Slack, Stderr, Webhook
from incidentkit.testing.local_slack import SlackWorkspace
from incidentkit.testing.notifier_kit import check_notifier, sample_notification
from incidentkit.testing.recording import RecordingNotifier


@pytest.mark.parametrize(
    "notifier",
    [
        Log(), Stderr(), RecordingNotifier(), Webhook(url="https://h.example/secret/path", secret="a" * 32),
        Slack(url="https://hooks.slack.com/services/T/B/secret"), Slack(token="xoxb-secret", to="#ops"),
    ],
    ids=lambda notifier: notifier.name,
)
def test_every_notifier_of_ours_passes_its_own_checks(notifier):
    report = check_notifier(notifier)
    assert report.is_passed, report
    assert "0 of" in str(report)


@attrs.frozen(kw_only=True)
class Careless:
    """A third party's notifier with the usual mistakes."""

    name: str = "care:less"
    to: str | None = None
    is_quiet: int = 1
    deadline: timedelta = timedelta(0)

    def request(self, notification, /):
        return Request(url="https://h.example/path/canary", headers={"x-title": notification.title}, content=notification.title.encode())

    def verdict(self, response, notification, /):
        if response.status >= 500:
            raise ValueError(response.status)
        return Delivery.accepted() if response.status < 400 else Delivery.refused(f"said {response.content!r} at /path/canary")


def test_the_usual_mistakes_are_found():
    report = check_notifier(Careless())
    assert not report.is_passed
    failed = "\n".join(check.name for check in report.failures)
    mistakes = ("`name`", "`to`", "`is_quiet`", "`deadline`", "hostile text", "every status", "redirects", "Retry-After", "reasons hold")
    assert [mistake for mistake in mistakes if mistake not in failed] == []
    assert "FAILED" in str(report)


def test_something_that_is_no_notifier_fails_without_raising():
    report = check_notifier(object())
    assert any("neither" in check.reason for check in report.failures)


def test_an_async_send_is_awaited():
    class Async(RecordingNotifier):
        async def send(self, notification, /):
            return super().send(notification)

    assert check_notifier(Async()).is_passed


# --- the recording double


def test_it_records_and_answers_by_its_script():
    notifier = RecordingNotifier("pager", script=[Delivery.retry("busy"), Delivery.refused("no")])
    answers = [notifier.send(sample_notification(note=str(number))) for number in range(3)]
    assert answers == [Delivery.retry("busy"), Delivery.refused("no"), Delivery.accepted("pager:3")]
    assert [notification.note for notification in notifier.notifications] == ["0", "1", "2"]
    notifier.clear()
    assert notifier.notifications == ()


def test_a_function_may_answer():
    notifier = RecordingNotifier(script=lambda notification: Delivery.accepted(notification.kind.value))
    assert notifier.send(sample_notification(PageKind.REMINDER)).ref == "reminder"


def test_it_counts_right_from_many_threads():
    notifier = RecordingNotifier(script=[Delivery.retry("x")] * 100)
    answers = []
    threads = [threading.Thread(target=lambda: answers.extend(notifier.send(sample_notification()) for _ in range(50))) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert len(notifier.wait_for(400)) == 400
    for thread in threads:
        thread.join()
    assert sum(answer == Delivery.retry("x") for answer in answers) == 100
    assert len({answer.ref for answer in answers}) == 301


def test_waiting_for_what_does_not_come_ends():
    with pytest.raises(TimeoutError, match="0 of 1"):
        RecordingNotifier().wait_for(1, timeout=0.01)


# --- Slack, as the local server knows it

AUTH = {"authorization": "Bearer t"}


def said(method, headers=AUTH, *, token="", **body):
    return SlackWorkspace(token=token).call(method, headers, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (said("chat.postMessage", {}), "not_authed"),
        (said("chat.postMessage", token="other"), "invalid_auth"),
        (said("chat.postMessage", channel="#c"), "no_text"),
        (said("chat.postMessage", text="x"), "channel_not_found"),
        (said("chat.postMessage", channel="#c", text="x" * 40_001), "msg_too_long"),
        (said("chat.postMessage", channel="#c", text="x", thread_ts="1.2"), "thread_not_found"),
        (said("chat.postMessage", channel="#c", blocks=[{"type": "header", "text": {"text": "x" * 151}}]), "invalid_blocks"),
        (said("chat.postMessage", channel="#c", blocks=[{"type": "section", "text": {"text": "x" * 3_001}}]), "invalid_blocks"),
        (said("chat.postMessage", channel="#c", blocks=[{"type": "section", "text": {"text": ""}}]), "invalid_blocks"),
        (said("chat.update", channel="#c", ts="1.2", text="x"), "channel_not_found"),
        (said("chat.update", channel="C0123", ts="1.2", text="x"), "message_not_found"),
        (said("chat.delete", channel="C0123", text="x"), "unknown_method"),
        (SlackWorkspace().call("chat.postMessage", AUTH, b"{"), "invalid_json"),
    ],
)
def test_the_local_slack_refuses_what_slack_refuses(answer, error):
    assert answer == {"ok": False, "error": error}
