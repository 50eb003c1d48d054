"""The supervisor with real processes: small shell scripts that sleep, crash, or ignore signals."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labelyard.errors import ProcessFailed, SignalReceived
from labelyard.supervisor import Process, RestartPolicy, Supervisor, answers, prints
from labelyard.supervisor.stack import free_ports

PATIENT = 30.0
AT_ONCE = RestartPolicy(delay=0.01, failures=3, quick=PATIENT)


def shell(name: str, script: str, **more: object) -> Process:
    return Process(name, ["sh", "-c", script], **more)  # type: ignore[arg-type]


def until(file: Path) -> str:
    """Shell words that wait for a file."""
    return f"while [ ! -e {file} ]; do sleep 0.02; done"


def alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def wait_for(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENT
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def pids(folder: Path) -> list[int]:
    """What the parts' scripts wrote with `echo $$ > pid.NAME`."""
    return [int(file.read_text()) for file in folder.glob("pid.*") if file.read_text().strip()]


@pytest.fixture
def heard() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, heard: list[str]) -> Iterator[Supervisor]:
    with Supervisor(tmp_path / "logs", heard.append, AT_ONCE) as supervisor:
        yield supervisor


def test_parts_are_ended_in_the_reverse_order_of_their_start(tmp_path: Path) -> None:
    said = tmp_path / "ended"
    with Supervisor(tmp_path / "logs") as supervisor:
        for name in ("first", "second", "third"):
            script = f"trap 'echo {name} >> {said}; exit 0' TERM; echo up; while :; do sleep 0.02; done"
            supervisor.start(shell(name, script, ready=prints("up")))
    assert said.read_text().split() == ["third", "second", "first"]


def test_a_start_waits_until_the_process_is_ready(supervisor: Supervisor, tmp_path: Path) -> None:
    [port] = free_ports(1)
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    supervisor.start(Process("server", command, ready=answers(f"http://127.0.0.1:{port}/")))
    socket.create_connection(("127.0.0.1", port)).close()


def test_waiting_is_called_while_a_process_gets_ready(tmp_path: Path) -> None:
    ticks: list[None] = []
    with Supervisor(tmp_path / "logs", waiting=lambda: ticks.append(None)) as supervisor:
        supervisor.start(shell("slow", f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; echo up; exec sleep 60",
                         ready=lambda output: _go_after_ticks(tmp_path, ticks) and "up" in output.text()))  # fmt: skip
    assert len(ticks) >= 2


def _go_after_ticks(folder: Path, ticks: list[None]) -> bool:
    if len(ticks) >= 2:
        (folder / "go").touch()
    return True


def test_output_goes_to_the_part_s_own_log(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.run(shell("one", "echo hello; echo oops >&2"))
    supervisor.run(shell("two", "echo $COLOUR", environment={"COLOUR": "red"}))
    assert supervisor.log_of("one").read_text() == "hello\noops\n"
    assert supervisor.log_of("two").read_text() == "red\n"


def test_a_process_that_ends_before_it_is_ready_is_an_error_with_its_log_and_last_lines(supervisor: Supervisor) -> None:
    with pytest.raises(ProcessFailed) as failure:
        supervisor.start(shell("broken", "echo no such queue; exit 3", ready=prints("never")))
    assert "broken ended with status 3" in str(failure.value)
    assert "no such queue" in str(failure.value)
    assert str(supervisor.log_of("broken")) in str(failure.value)


def test_a_command_that_does_not_exist_is_named(supervisor: Supervisor) -> None:
    with pytest.raises(ProcessFailed, match="no-such-command"):
        supervisor.start(Process("odd", ["no-such-command"]))


def test_a_process_that_is_never_ready_is_an_error_and_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailed, match="slow is not ready after"), Supervisor(tmp_path / "logs") as supervisor:
        supervisor.start(
            shell("slow", f"echo $$ > {tmp_path}/pid.slow; exec sleep 600", ready=prints("up"), ready_within=0.5)
        )
    assert not any(alive(pid) for pid in pids(tmp_path))


def test_output_of_an_earlier_start_does_not_make_a_process_ready(supervisor: Supervisor) -> None:
    supervisor.log_of("again").write_text("up\n")
    with pytest.raises(ProcessFailed, match="not ready"):
        supervisor.start(shell("again", "exec sleep 600", ready=prints("up"), ready_within=0.5))


def test_a_process_that_ends_is_restarted(supervisor: Supervisor, heard: list[str], tmp_path: Path) -> None:
    pid_file = tmp_path / "pid.part"
    supervisor.start(shell("part", f"echo $$ > {pid_file}; echo up; exec sleep 600", ready=prints("up")))
    first = int(pid_file.read_text())
    os.kill(first, signal.SIGKILL)
    supervisor.watch(lambda: pid_file.read_text().strip() not in ("", str(first)))
    assert not alive(first)
    assert len(heard) == 1
    assert "part ended with SIGKILL" in heard[0]
    assert str(supervisor.log_of("part")) in heard[0]


def test_the_rest_of_a_process_group_is_killed_before_a_restart(supervisor: Supervisor, tmp_path: Path) -> None:
    script = f"sleep 600 & echo $! > {tmp_path}/pid.child.$$; echo $$ > {tmp_path}/pid.part; echo up; wait"
    supervisor.start(shell("part", script, ready=prints("up")))
    first, child = int((tmp_path / "pid.part").read_text()), int(next(tmp_path.glob("pid.child.*")).read_text())
    os.kill(first, signal.SIGKILL)
    supervisor.watch(lambda: len(list(tmp_path.glob("pid.child.*"))) == 2)
    assert not alive(child)


def test_a_process_that_keeps_ending_is_given_up_with_its_last_lines(supervisor: Supervisor, tmp_path: Path) -> None:
    started = tmp_path / "started"
    script = f"echo x >> {started}; echo up; {until(tmp_path / 'go')}; echo the disk is full; exit 7"
    supervisor.start(shell("crasher", script, ready=prints("up")))
    (tmp_path / "go").touch()
    with pytest.raises(ProcessFailed) as failure:
        supervisor.watch()
    assert len(started.read_text().split()) == AT_ONCE.failures
    assert "status 7" in str(failure.value)
    assert "the disk is full" in str(failure.value)


def test_restarts_far_apart_are_not_counted_together(tmp_path: Path) -> None:
    started = tmp_path / "started"
    script = f"echo x >> {started}; echo up; {until(tmp_path / 'go')}; exit 1"
    with Supervisor(tmp_path / "logs", lambda _: None, RestartPolicy(delay=0.01, failures=2, quick=0.0)) as supervisor:
        supervisor.start(shell("mortal", script, ready=prints("up")))
        (tmp_path / "go").touch()
        supervisor.watch(lambda: len(started.read_text().split()) > 4)


def test_a_run_that_fails_is_an_error(supervisor: Supervisor) -> None:
    with pytest.raises(ProcessFailed, match="status 2"):
        supervisor.run(shell("once", "exit 2"))


def test_a_process_that_ignores_sigterm_is_killed_and_reported(tmp_path: Path) -> None:
    heard: list[str] = []
    with Supervisor(tmp_path / "logs", heard.append) as supervisor:
        script = f"trap '' TERM; echo $$ > {tmp_path}/pid.deaf; echo up; while :; do sleep 0.05; done"
        supervisor.start(shell("deaf", script, ready=prints("up"), stop_within=0.2))
    assert not any(alive(pid) for pid in pids(tmp_path))
    assert heard == ["deaf was killed: it did not stop by itself"]


def test_grandchildren_end_too_even_deaf_ones(tmp_path: Path) -> None:
    deaf = tmp_path / "deaf.sh"
    deaf.write_text(f"trap '' TERM; echo $$ > {tmp_path}/pid.deaf; while :; do sleep 0.05; done")
    script = f"sh {deaf} & sleep 600 & echo $! > {tmp_path}/pid.other; wait"
    with Supervisor(tmp_path / "logs", lambda _: None) as supervisor:
        supervisor.start(shell("parent", script, stop_within=0.3))
        wait_for(lambda: len(pids(tmp_path)) == 2, "the grandchildren never started")
    assert not any(alive(pid) for pid in pids(tmp_path))


def test_the_supervisor_ends_all_when_the_work_beside_it_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Supervisor(tmp_path / "logs") as supervisor:  # noqa: PT012
        supervisor.start(shell("part", f"echo $$ > {tmp_path}/pid.part; echo up; exec sleep 600", ready=prints("up")))
        raise ZeroDivisionError
    assert not any(alive(pid) for pid in pids(tmp_path))


def test_a_signal_is_reported_at_the_next_check_and_handlers_are_restored(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SignalReceived) as interrupted, Supervisor(tmp_path / "logs") as supervisor:  # noqa: PT012
        os.kill(os.getpid(), signal.SIGTERM)
        supervisor.watch()
    assert interrupted.value.status == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_log_that_has_grown_too_large_is_rotated(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelyard.supervisor.supervisor.LOG_BYTES", 1000)
    supervisor.start(shell("chatty", "while :; do echo something to say; sleep 0.001; done", ready=prints("say")))
    supervisor.watch(lambda: supervisor.log_of("chatty").with_suffix(".log.old").exists())
    assert supervisor.log_of("chatty").stat().st_size < 1000


SUPERVISOR = """
    import sys
    from pathlib import Path
    from labelyard.errors import SignalReceived
    from labelyard.supervisor import Process, Supervisor, prints
    folder, slow = Path(sys.argv[1]), sys.argv[2] == "slow"
    part = lambda name, script: Process(name, ["sh", "-c", script], ready=prints("up"), stop_within=60)
    try:
        with Supervisor(folder / "logs") as supervisor:
            for name in ("one", "two"):
                script = f"echo $$ > {folder}/pid.{name}; sleep 600 & echo $! > {folder}/pid.{name}s; echo up; wait"
                supervisor.start(part(name, script))
            deaf = f"trap '' TERM; echo $$ > {folder}/pid.deaf; while :; do sleep 0.05; done"
            if slow:
                supervisor.start(part("deaf", deaf))
            print("all up", flush=True)
            supervisor.watch()
    except SignalReceived as end:
        sys.exit(end.status)
"""


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a supervisor as a process of its own, for signals."""
    started: list[subprocess.Popen[str]] = []

    def start(how: str = "quick", **more: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", textwrap.dedent(SUPERVISOR), str(tmp_path), how]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **more))  # type: ignore[call-overload]
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_ctrl_c_ends_everything(supervise: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    process = supervise()
    assert process.stdout is not None
    assert process.stdout.readline() == "all up\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENT) == 130
    assert len(pids(tmp_path)) == 4
    assert not any(alive(pid) for pid in pids(tmp_path))


def test_ctrl_c_during_start_up_ends_what_was_started(
    supervise: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = supervise("slow")
    wait_for((tmp_path / "pid.deaf").exists, "the third part never started")
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    assert process.poll() is None  # the deaf part has a minute to end
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENT) == 130
    assert len(pids(tmp_path)) == 5
    assert not any(alive(pid) for pid in pids(tmp_path))


@pytest.mark.parametrize(
    "after", [0.06, *(pytest.param(after, marks=pytest.mark.slow) for after in (0.0, 0.01, 0.03, 0.1, 0.15, 0.2))]
)
def test_after_a_signal_at_any_moment_no_process_remains(
    supervise: Callable[..., subprocess.Popen[str]], tmp_path: Path, after: float
) -> None:
    process = supervise()
    wait_for((tmp_path / "logs").exists, "the supervisor never came up")
    time.sleep(after)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENT) == 143
    assert not any(alive(pid) for pid in pids(tmp_path))


def test_parts_hear_sigint_even_when_the_supervisor_was_started_deaf_to_it(tmp_path: Path) -> None:
    supervisor = f"""
        from pathlib import Path
        from labelyard.supervisor import Process, Supervisor
        with Supervisor(Path({str(tmp_path)!r})) as supervisor:
            supervisor.run(Process("part", [{sys.executable!r}, "-c", "import signal; print(signal.getsignal(2))"]))
    """
    deaf = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", sys.executable, "-c", textwrap.dedent(supervisor)]
    subprocess.run(deaf, check=True)
    assert "default_int_handler" in (tmp_path / "part.log").read_text()


def test_the_processes_of_a_killed_supervisor_are_killed(
    supervise: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = supervise()
    assert process.stdout is not None
    assert process.stdout.readline() == "all up\n"
    process.kill()
    wait_for(lambda: not any(alive(pid) for pid in pids(tmp_path)), "the reaper did not stop the processes")
    assert len(pids(tmp_path)) == 4
