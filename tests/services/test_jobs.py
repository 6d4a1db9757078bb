"""Long work in processes of its own: every way it can end is told."""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from core.errors import UserError
from core.services import jobs
from tests.plugged import family, numbered, paint, wait_for

COUNT = 120


@pytest.fixture
def slow(plugged, monkeypatch):
    """Jobs started by this process know the slow encoder."""
    for name in ("PYTHONPATH", "TEST_DIARY"):
        monkeypatch.setenv(name, plugged.env[name])

    def start(folder, sleep: float = 0.0, encoder: str = "slow.test") -> str:
        monkeypatch.setenv("TEST_SLEEP", str(sleep))
        return jobs.start("Build", ["build", "--dataset", str(folder), "--encoders", encoder])

    yield start
    for job in jobs.listing(active_only=True):
        jobs.cancel(job.id)


def ended(job: str) -> jobs.JobStatus:
    return wait_for(lambda: (status := jobs.status(job)) and not status.active and status)


def pid_of(artifacts, job: str) -> int:
    return int((artifacts / "runs" / job / "pid").read_text())


def test_a_job_goes_from_starting_through_running_to_done(slow, tmp_path):
    job = slow(paint(tmp_path / "gallery", numbered(COUNT)), sleep=0.02)
    seen = [jobs.status(job)]
    while seen[-1].active:
        time.sleep(0.05)
        seen.append(jobs.status(job))
    states = list(dict.fromkeys(status.state for status in seen))
    assert states == ["starting", "running", "done"]
    running = [status for status in seen if status.state == "running" and 0 < status.done < COUNT]
    assert [one.done for one in running] == sorted(one.done for one in running)
    assert all(one.total == COUNT for one in running)
    assert any(one.rate > 0 and one.seconds_left is not None for one in running)
    assert (seen[-1].done, seen[-1].total) == (COUNT, COUNT)
    assert f"{COUNT} pictures" in seen[-1].message
    assert seen[-1].title == "Build"
    assert jobs.listing()[0].id == job
    assert jobs.listing(active_only=True) == []


def test_jobs_of_one_second_are_listed_by_their_start(artifacts):
    started = [jobs.start(name, [name]) for name in ("indexes", "encoders", "datasets")]
    assert [job.id for job in jobs.listing()] == started[::-1]
    for job in started:
        ended(job)


def test_what_is_started_twice_at_once_is_one_job(slow, tmp_path):
    """By two tabs, or by a press that comes twice."""
    one, other = (paint(tmp_path / name, numbered(COUNT)) for name in "ab")
    with ThreadPoolExecutor(4) as tabs:
        same = set(tabs.map(lambda _: slow(one, sleep=0.05), range(4)))
    assert len(same) == 1
    assert slow(other, sleep=0.05) not in same
    assert len(jobs.listing()) == 2
    jobs.cancel(same.pop())
    slow(one)
    assert len(jobs.listing()) == 3, "what has ended is begun anew"


@pytest.mark.parametrize(
    ("encoder", "folder", "words"),
    [
        ("slow.tset", "gallery", "no encoder named 'slow.tset'"),
        ("slow.test", "missing", "nothing at"),
        ("slow.test", "broken", "None of"),
    ],
)
def test_a_job_that_can_not_be_done_says_why(slow, tmp_path, encoder, folder, words):
    paint(tmp_path / "gallery", numbered(3))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"x")
    status = ended(slow(tmp_path / folder, encoder=encoder))
    assert status.state == "failed"
    assert words in status.message
    assert "Traceback" not in status.message


def test_a_job_with_wrong_arguments_says_so(slow):
    status = ended(jobs.start("Nonsense", ["build", "--nonsense"]))
    assert status.state == "failed"
    assert "error:" in status.message


def test_a_killed_job_is_told_from_one_that_works(slow, tmp_path, artifacts):
    job = slow(paint(tmp_path / "gallery", numbered(COUNT)), sleep=0.05)
    wait_for(lambda: jobs.status(job).done > 0)
    os.kill(pid_of(artifacts, job), signal.SIGKILL)
    status = ended(job)
    assert status.state == "failed"
    assert "exited unexpectedly" in status.message
    assert status.seconds_left is None


def test_cancel_ends_the_whole_group_and_keeps_finished_parts(slow, plugged, tmp_path, artifacts):
    folder = paint(tmp_path / "gallery", numbered(COUNT))
    job = slow(folder, sleep=0.03)
    wait_for(lambda: plugged.finished() > 0 and jobs.status(job).done > 0)
    people = family(pid_of(artifacts, job))
    assert len(people) > 1
    jobs.cancel(job)
    status = jobs.status(job)
    assert status.state == "cancelled"
    assert "kept" in status.message
    assert 0 < status.done < COUNT
    assert not [one for one in people if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    kept = plugged.finished()
    assert kept > 0
    jobs.cancel(job)
    assert jobs.status(job).state == "cancelled"
    (row,) = plugged.json("build", "--dataset", str(folder), "--encoders", "slow.test")
    assert row["encoded"] == COUNT - kept


def test_a_job_that_does_not_listen_is_killed(slow, tmp_path, artifacts, monkeypatch):
    monkeypatch.setattr(jobs, "GRACE_S", 0.3)
    job = slow(paint(tmp_path / "gallery", numbered(20)), sleep=0.2)
    wait_for(lambda: jobs.status(job).state == "running")
    os.kill(pid_of(artifacts, job), signal.SIGSTOP)
    jobs.cancel(job)
    assert jobs.status(job).state == "cancelled"
    assert not jobs._alive(pid_of(artifacts, job), job)


def test_cancelling_what_has_ended_changes_nothing(slow, tmp_path):
    job = slow(paint(tmp_path / "gallery", numbered(3)))
    before = ended(job)
    jobs.cancel(job)
    assert jobs.status(job) == before


@pytest.mark.parametrize(
    "job",
    ["", "..", "../../etc", "20260101-000000-abcdef", "x" * 300, "20260101-000000-abcde/", "a\nb"],
)
def test_unknown_and_forged_jobs_are_refused(job):
    with pytest.raises(UserError, match="no job"):
        jobs.status(job)
    with pytest.raises(UserError, match="no job"):
        jobs.cancel(job)


def fake(artifacts, number: int, *lines: str, pid: int | None = None):
    """The folder of a job of another day."""
    folder = artifacts / "runs" / f"20260101-{number:06d}-abcdef"
    folder.mkdir(parents=True)
    (folder / "job.json").write_text(json.dumps({"title": "t", "arguments": [], "started": 1.0}))
    (folder / "log.jsonl").write_text("".join(line + "\n" for line in lines))
    if pid is not None:
        (folder / "pid").write_text(str(pid))
    return folder.name


def test_a_process_number_that_was_given_away_is_not_the_job(artifacts):
    line = json.dumps({"time": 2.0, "state": "running", "done": 1, "total": 9})
    job = fake(artifacts, 1, line, pid=os.getpid())
    assert jobs.status(job).state == "failed"
    jobs.cancel(job)


def test_damaged_logs_are_read_as_far_as_they_go(artifacts):
    line = json.dumps({"time": 2.0, "state": "done", "done": 9, "total": 9, "message": "fine"})
    job = fake(artifacts, 1, "{}", "[]", "null", '{"time": 1.0, "sta', line)
    assert (jobs.status(job).state, jobs.status(job).message) == ("done", "fine")
    broken = fake(artifacts, 2, line)
    (artifacts / "runs" / broken / "job.json").write_text("{")
    assert [one.id for one in jobs.listing()] == [job]


def test_long_logs_are_read_from_their_end(artifacts):
    lines = [
        json.dumps({"time": float(n), "state": "running", "done": n, "total": 9999})
        for n in range(9999)
    ]
    job = fake(
        artifacts,
        1,
        *lines,
        json.dumps({"time": 9999.0, "state": "done", "done": 9999, "total": 9999}),
    )
    started = len(jobs._lines(job))
    assert started < 2000
    assert jobs.status(job).state == "done"


def test_only_the_last_jobs_are_remembered(slow, tmp_path, artifacts, monkeypatch):
    monkeypatch.setattr(jobs, "KEEP", 3)
    line = json.dumps({"time": 2.0, "state": "done"})
    old = [fake(artifacts, number, line) for number in range(6)]
    ended(slow(paint(tmp_path / "gallery", numbered(2))))
    left = [one.id for one in jobs.listing()]
    assert left[1:] == old[:2:-1]


def test_a_job_that_failed_is_tried_again_and_no_longer_listed(slow, tmp_path):
    job = slow(tmp_path / "later")
    assert ended(job).state == "failed"
    assert "nothing at" in jobs.output(job)
    paint(tmp_path / "later", numbered(3))
    again = jobs.retry(job)
    assert ended(again).state == "done"
    assert {one.id: one.dismissed for one in jobs.listing()} == {job: True, again: False}


def test_a_job_at_work_is_neither_dismissed_nor_tried_again(slow, tmp_path):
    job = slow(paint(tmp_path / "gallery", numbered(COUNT)), sleep=0.05)
    for act in (jobs.dismiss, jobs.retry):
        with pytest.raises(UserError, match="at work"):
            act(job)
    jobs.cancel(job)
    jobs.dismiss(job)
    assert jobs.status(job).dismissed


def test_a_status_is_read_again_once_its_log_has_grown(artifacts):
    line = json.dumps({"time": 2.0, "state": "done", "message": "fine"})
    job = fake(artifacts, 1, line)
    assert jobs.status(job).message == "fine"
    jobs.write_line(artifacts / "runs" / job / "log.jsonl", state="failed", message="not fine")
    assert (jobs.status(job).state, jobs.status(job).message) == ("failed", "not fine")


def test_jobs_wait_for_their_turn_in_the_order_of_their_start(slow, tmp_path, monkeypatch):
    monkeypatch.setenv("LOOKALIKE_JOBS", "1")
    first = slow(paint(tmp_path / "one", numbered(COUNT)), sleep=0.5)
    wait_for(lambda: jobs.status(first).state == "running")
    second, third = (slow(paint(tmp_path / name, numbered(3))) for name in ("two", "three"))
    wait_for(lambda: "2 other" in jobs.status(third).message)
    assert jobs.status(third).state == "queued"
    jobs.cancel(second)
    assert wait_for(lambda: "1 other" in jobs.status(third).message)
    jobs.cancel(first)
    assert [ended(job).state for job in (first, second, third)] == [
        "cancelled",
        "cancelled",
        "done",
    ]
