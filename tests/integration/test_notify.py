"""`--notify`: who is told of a night, and that a night goes on whatever becomes of it."""

from __future__ import annotations

import json
import sys

import pytest
from support.ears import HOOK, SECRET, Ear
from support.night import TOKEN
from support.raw_server import answer, http, raw_server

from runner.batch import Control
from runner.notify import Notice, Outbox, Shape, place_of
from runner.notify.outbox import Patience
from runner.notify.shapes import body_of

ELSEWHERE = "Location: /elsewhere\r\n"


def told(night, *faults, ear=None, jobs=2, notify=(HOOK,), said=None, **choices):
    """A night that somebody is told of: the morning, what was heard, and what a person was told."""
    ear = ear or Ear()
    said = said if said is not None else []
    nights = night(jobs=jobs)
    control = Control(note=said.append)
    morning = nights.run(*faults, beside=ear.beside, control=control, notify=notify, **choices)
    return nights, morning, ear


def test_a_good_night_is_told_at_its_beginning_and_at_its_end(night):
    """With what a machine wants to know; the same sentence as the report's, money, and where the report is."""
    nights, morning, ear = told(night)
    assert (morning.exit_code, ear.events) == (0, ["started", "finished"])
    began, ended = ear.heard
    assert (began["submits"], began["price_usd"], began["text"]) == (2, 0.078, "2 jobs to submit for $0.078.")
    report = str(nights.out / "report.html")
    assert ended["text"] == f"All 2 jobs are done. Spent $0.078. Exit 0 (done). Report: {report}"
    assert ended | {"exit_code": 0, "stopped_because": None, "counts": {"done": 2}, "report": report} == ended
    assert ended | json.loads((nights.out / "summary.json").read_text()) == ended
    assert began["run_id"] == ended["run_id"]
    assert {header["Content-Type"] for header in ear.headers} == {"application/json"}


def test_shards_are_told_apart(night):
    """Each tells of itself."""
    _, _, ear = told(night, jobs=4, shard="1/2")
    assert [one["title"] for one in ear.heard] == ["jobs (shard 1/2): started", "jobs (shard 1/2): finished"]


def test_the_first_failure_is_told_and_no_other(night):
    """The night goes on meanwhile; the end counts them."""
    _, morning, ear = told(night, {"on": "job", "kind": "fail", "every": 2}, jobs=4)
    assert (morning.exit_code, ear.events) == (1, ["started", "first_failure", "finished"])
    bad = ear.heard[1]
    assert (bad["state"], bad["error"]["kind"], bad["counts"]["failed"]) == ("failed", "remote", 1)
    assert bad["job_id"] in bad["text"]
    assert ear.heard[2]["counts"] == {"done": 2, "failed": 2}


@pytest.mark.parametrize(
    ("fault", "because", "code"),
    [
        ({"on": "submit", "kind": "status", "status": 402}, "account", 77),
        ({"on": "submit", "kind": "reset_after", "times": 3}, "brake", 1),
    ],
)
def test_what_keeps_jobs_from_being_submitted_is_told_at_once(night, fault, because, code):
    """An account that is refused, and a service whose answers are lost: a person can do something meanwhile."""
    _, morning, ear = told(night, fault, jobs=6, concurrency=1)
    assert morning.exit_code == code
    held = [one for one in ear.heard if one["event"] == "held"]
    assert [one["stopped_because"] for one in held] == [because]
    assert ear.events[-1] == "finished"


def test_what_somebody_asked_for_is_told_once(night):
    """A limit that is reached is in the last notice, and nobody is called for it."""
    _, morning, ear = told(night, jobs=3, yes=False, max_cost_usd="0.08")
    assert (morning.exit_code, ear.events) == (3, ["started", "finished"])
    assert "--max-cost 0.08 USD allows no further job" in ear.heard[1]["text"]
    assert ". Exit 3 (" in ear.heard[1]["text"]
    assert ear.heard[1]["stopped_because"] == "max_cost"


def test_a_night_that_could_not_begin_is_told(night):
    """A manifest that is wrong, at 22:00, with nobody there; but not what somebody typed wrong."""
    nights = night(jobs=1)
    nights.write({"id": "mug", "prompt": ""})
    ear = Ear()
    morning = nights.run(beside=ear.beside, notify=(HOOK,))
    assert (morning.exit_code, ear.events) == (65, ["finished"])
    assert ear.heard[0]["exit_code"] == 65
    said = "1 error in the manifest; `runcomfy-batch check` shows them. Exit 65 (manifest_invalid)."
    assert ear.heard[0]["text"] == f"It could not go on: {said}"
    nights.write({"id": "mug", "prompt": "White."})
    assert nights.run(beside=ear.beside, notify=(HOOK,), yes=False).exit_code == 64
    assert len(ear.heard) == 1


def test_a_manifest_may_name_whom_to_tell_and_the_command_outweighs_it(night, tmp_path):
    """One URL or several."""
    nights, ear = night(jobs=1), Ear()
    entry = "{id: mug, prompt: White., image_urls: [https://photos.example.com/mug-red.jpg]}"
    for run in (f"[{HOOK!r}]", repr(HOOK)):
        (tmp_path / "m.yaml").write_text(f"version: 1\nrun: {{notify: {run}}}\njobs: [{entry}]\n")
        nights.run(beside=ear.beside, manifest=tmp_path / "m.yaml")
    assert ear.events == ["started", "finished"] * 2
    elsewhere = HOOK.replace("/services/", "/other/")
    nights.run(beside=ear.beside, manifest=tmp_path / "m.yaml", notify=(elsewhere,))
    assert len(ear.heard) == 6


# ------------------------------------------------------------------------------------------- it never breaks a night


@pytest.mark.parametrize(
    ("answers", "posts", "why"),
    [
        ((500, 503, 204), 4, set()),
        ((503,), 6, {"HTTP 503"}),
        ((404,), 2, {"HTTP 404"}),
        ((302,), 2, {"HTTP 302, and redirects are not followed"}),
        ((None,), 5, {"no answer after 4 s", "no answer after 15 s"}),
    ],
)
def test_a_place_that_cannot_be_told_is_a_warning(night, answers, posts, why):
    """Tried three times where that may help; the exit code, the reports and the time of the night are the same."""
    said = []
    nights, morning, ear = told(night, ear=Ear(*answers), said=said)
    assert (morning.exit_code, morning.states, len(ear.heard)) == (0, ["done", "done"], posts)
    warned = [line for line in nights.log() if line["event"] == "not notified"]
    assert {line["why"] for line in warned} == why
    assert {line["place"] for line in warned} <= {"http://127.0.0.1/…"}
    assert len([line for line in said if "--notify http://127.0.0.1/…: not told" in line]) == len(warned)


def test_the_end_waits_for_a_place_and_no_longer(night):
    """Fifteen seconds after the last job, whatever is still to be told."""
    nights, morning, _ = told(night, ear=Ear(None))
    worked_s = morning.summary["duration_s"]
    assert 14.0 < morning.seconds - worked_s < 16.0
    assert nights.run(notify=()).ledger["posts"] == 0


def test_nothing_listens(night):
    """Refused connections."""
    said = []
    nights = night(jobs=1)
    morning = nights.run(notify=(HOOK,), control=Control(note=said.append))
    assert morning.exit_code == 0
    assert said[-1] == "warning: --notify http://127.0.0.1/…: not told: ClientConnectorError"


def test_no_secret_is_told_or_kept(night):
    """The token goes to the API alone; a webhook's URL is in no file of the run directory and in no message."""
    said = []
    nights, _, ear = told(night, {"on": "job", "kind": "fail", "every": 1}, ear=Ear(500), said=said)
    heard = json.dumps(ear.heard) + str([dict(headers) for headers in ear.headers])
    assert TOKEN not in heard
    assert "Authorization" not in heard
    files = b"".join(path.read_bytes() for path in nights.out.rglob("*") if path.is_file())
    assert SECRET.encode() not in files
    assert SECRET not in "".join(said)


# ------------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise's own
@pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"http://hooks.example.com/{SECRET}", "http://hooks.example.com/…: what is told would go unencrypted"),
        (f"http://127.0.0.1.example.com/{SECRET}", "unencrypted"),
        (f"https:///{SECRET}", "https://…: it names no host"),
        (SECRET, "expected a URL"),
        (f"https://a.example/ {SECRET}", "expected a URL"),
        (f"nonsense://{SECRET}", "nonsense://…: Apprise does not take this URL"),
    ],
)
def test_whom_one_cannot_tell_is_an_error_before_anything_is_sent(night, url, message):
    """64, and the URL, which may be a key, is not shown."""
    nights = night(jobs=1)
    morning = nights.run(notify=(url,))
    assert (morning.exit_code, morning.ledger["posts"]) == (64, 0)
    assert message in morning.said
    assert SECRET not in morning.said


def test_other_services_need_apprise(night, monkeypatch):
    """The remedy is named."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    morning = night(jobs=1).run(notify=("tgram://123/456",))
    assert (morning.exit_code, morning.ledger["posts"]) == (64, 0)
    assert morning.said.endswith("pip install 'runcomfy-batch[notify]'")


# ------------------------------------------------------------------------------------------------------------- Apprise


def notice(title="spring: finished", text="All <b> & @everyone [x](y) are done."):
    """What is told."""
    return Notice(event="finished", title=title, text=text, is_good=True, document={"event": "finished"})


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise's own
async def test_what_apprise_knows_is_told_by_apprise():
    """The real one: delivered, and where that does not work, told once more and then no more."""
    failed = []
    patience = Patience(try_s=2.0, pauses_s=(0.0, 0.0))
    async with raw_server(answer(http(200))) as good, raw_server(answer(http(302, headers=ELSEWHERE))) as bad:
        urls = [f"json://127.0.0.1:{server.port}/{SECRET}" for server in (good, bad)]
        places = [place_of(url, is_local=False) for url in urls]
        outbox = Outbox(places, lambda *why: failed.append(why), patience)
        outbox.put(notice())
        await outbox.close()
    [heard] = good.requests
    document = json.loads(heard.body)
    assert (document["title"], document["message"]) == (notice().title, notice().text)
    assert [request.line for request in bad.requests] == [f"POST /{SECRET} HTTP/1.1"] * 3
    assert failed == [("json://…", "Apprise could not deliver it")]


# -------------------------------------------------------------------------------------------------------------- shapes


@pytest.mark.parametrize(
    ("host", "shape"),
    [
        ("hooks.slack.com", Shape.SLACK),
        ("discord.com", Shape.DISCORD),
        ("ptb.discord.com", Shape.DISCORD),
        ("acme.webhook.office.com", Shape.TEAMS),
        ("prod-12.westeurope.logic.azure.com:443", Shape.TEAMS),
        ("chat.googleapis.com", Shape.TEXT),
        ("hooks.slack.com.example.com", Shape.DOCUMENT),
        ("notdiscord.com", Shape.DOCUMENT),
        ("hc-ping.com", Shape.DOCUMENT),
    ],
)
def test_a_service_is_known_by_its_host(host, shape):
    """And by nothing else."""
    place = place_of(f"https://{host}/{SECRET}", is_local=False)
    assert (place.shape, SECRET in place.shown + repr(place)) == (shape, False)


def test_each_service_is_told_in_its_own_words():
    """Nothing in a text calls people or becomes a link; too long a text is cut."""
    said = {shape: json.loads(body_of(notice(), shape)) for shape in Shape}
    words = "spring: finished\nAll <b> & @everyone [x](y) are done."
    assert said[Shape.DOCUMENT] == {"event": "finished"}
    assert said[Shape.TEXT] == {"text": words}
    assert said[Shape.SLACK] == {"text": words.replace("&", "&amp;").replace("<b>", "&lt;b&gt;")}
    assert said[Shape.DISCORD] == {"content": words, "allowed_mentions": {"parse": []}}
    [card] = said[Shape.TEAMS]["attachments"]
    assert [block["text"] for block in card["content"]["body"]] == words.split("\n")
    assert len(json.loads(body_of(notice(text="x" * 9999 + "\ud800"), Shape.DISCORD))["content"]) == 1800
