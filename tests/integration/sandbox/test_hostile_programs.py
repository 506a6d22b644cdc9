"""Programs that try to leave the sandbox, to stay in it, or to speak in its place. Each meets the real one."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from forge_core.sandbox import Answer, Bounds, Ended, Order, address, receive, send
from forge_runner.sandbox import Sandbox, SandboxLost
from tests.integration.sandbox.conftest import SECRET, Hostile, a_tree
from tests.services.sandbox import UID, SandboxServer, python
from tests.services.waiting import wait_until

STAYS = "setsid sh -c 'trap \"\" HUP TERM; while :; do sleep 1; done' >/dev/null 2>&1 &"


def test_it_has_another_uid_no_right_and_an_environment_of_its_own(hostile: Hostile) -> None:
    told = hostile("import os; print(os.getuid(), open('/proc/self/status').read(), dict(os.environ))").output
    assert told.startswith(f"{UID} ")
    assert "NoNewPrivs:\t1" in told
    for held in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert f"{held}:\t0000000000000000" in told
    assert "FORGE" not in told
    assert SECRET not in told


@pytest.mark.parametrize("file", ["environ", "mem", "maps", "fd/0", "auxv", "stack"])
def test_the_first_process_cannot_be_read(hostile: Hostile, file: str) -> None:
    answer = hostile(f"print(open('/proc/1/{file}', 'rb').read())")
    assert "PermissionError" in answer.output
    assert SECRET not in answer.output


def test_no_process_of_the_runner_is_seen_or_can_be_signalled(hostile: Hostile) -> None:
    program = f"""
import os
print(sorted(name for name in os.listdir('/proc') if name.isdigit()) == sorted({{'1', str(os.getpid())}}))
try:
    os.kill({os.getpid()}, 9)
except ProcessLookupError:
    print('no such process')
"""
    assert hostile(program).output.split("\n")[:2] == ["True", "no such process"]


def test_the_first_process_can_be_neither_killed_nor_traced(hostile: Hostile, server: SandboxServer) -> None:
    program = """
import ctypes, os, signal
for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGUSR1):
    os.kill(1, number)
libc = ctypes.CDLL(None, use_errno=True)
print([libc.ptrace(request, 1, 0, 0) for request in (16, 0x4206)], ctypes.get_errno())
"""
    assert hostile(program).output.startswith("[-1, -1] 1")
    assert server.process.poll() is None
    assert hostile("print('still here')").output == "still here\n"


def test_nothing_outlives_its_order(sandbox: Sandbox, server: SandboxServer) -> None:
    started = f"for i in 1 2 3; do {STAYS} done; echo started"
    assert sandbox.run(["sh", "-c", started], Bounds(seconds=120)) == Answer(Ended.EXITED, 0, "started\n")
    assert server.others() == []


def test_a_program_that_hangs_is_ended_with_all_that_it_started(sandbox: Sandbox, server: SandboxServer) -> None:
    deaf = "trap '' TERM INT; echo waiting; while :; do :; done"
    answer = sandbox.run(["sh", "-c", f"{STAYS} {deaf}"], Bounds(seconds=2))
    assert (answer.ended, answer.output) == (Ended.TIMEOUT, "waiting\n")
    assert server.others() == []


def _lost(sandbox: Sandbox, *argv: str) -> None:
    with pytest.raises(SandboxLost):
        sandbox.run(argv, Bounds())


def test_a_runner_that_goes_away_takes_its_order_with_it(server: SandboxServer) -> None:
    with server.connected() as sandbox:
        waiting = threading.Thread(target=_lost, args=(sandbox, "sleep", "600"))
        waiting.start()
        wait_until(lambda: any("sleep 600" in line for line in server.others()), what="the order runs")
        sandbox._connection.shutdown(socket.SHUT_RDWR)
    waiting.join(60)
    assert not waiting.is_alive()
    wait_until(lambda: server.others() == [], what="nothing of it is left")
    with server.connected() as sandbox:
        assert sandbox.run(["echo", "next"], Bounds()).output == "next\n"


@pytest.mark.parametrize("dying", ["", "os._exit(0)"], ids=["living", "dying at once"])
def test_a_fork_bomb_is_held_to_its_number_and_ended(hostile: Hostile, server: SandboxServer, dying: str) -> None:
    program = f"""
import os
while True:
    try:
        if os.fork() == 0:
            {dying or "pass"}
    except OSError:
        pass
"""
    assert hostile(program, seconds=3, processes=60).ended is Ended.TIMEOUT
    assert server.others() == []
    assert hostile("print('calm')").output == "calm\n"


def test_more_processes_than_allowed_are_refused(hostile: Hostile) -> None:
    program = """
import os, signal
made = 0
try:
    while made < 500:
        if os.fork() == 0:
            signal.pause()
        made += 1
except BlockingIOError:
    print('refused', made)
"""
    word, made = hostile(program, processes=40).output.split()
    assert word == "refused"
    assert int(made) <= 40


def test_a_flood_of_output_ends_the_order_and_its_ends_are_kept(hostile: Hostile) -> None:
    program = "import sys\nsys.stdout.write('first')\nwhile True: sys.stdout.write('x' * 65536)"
    answer = hostile(program, output=5_000_000, kept=1000)
    assert answer.ended is Ended.OUTPUT
    assert answer.output.startswith("first")
    assert len(answer.output) < 1100
    assert "bytes left out" in answer.output


def test_memory_of_one_process_is_bounded(hostile: Hostile) -> None:
    answer = hostile("x = bytearray(400 * 1024 ** 2)", data=256 * 1024**2)
    assert (answer.ended, answer.code) == (Ended.EXITED, 1)
    assert "MemoryError" in answer.output


def test_the_volume_is_full_at_its_size_and_empty_for_the_next(hostile: Hostile, server: SandboxServer) -> None:
    program = """
import os
held = []
try:
    while True:
        held.append(open(f'{len(held)}', 'wb', 0))
        os.unlink(f'{len(held) - 1}')        # a file that no folder shows
        for _ in range(8):
            held[-1].write(b'x' * 1024 ** 2)
except OSError as error:
    print(error.strerror, len(held))
"""
    assert hostile(program).output.startswith("No space left on device")
    assert hostile("open('kept', 'wb').write(b'x' * 32 * 1024 ** 2)").code == 0
    assert [each.name for each in server.volume.iterdir()] == ["kept"]


def test_a_file_over_its_bound_is_cut_off(hostile: Hostile) -> None:
    answer = hostile("open('big', 'wb').write(b'x' * 3 * 1024 ** 2)", file=1024**2)
    assert answer.code != 0


NESTS = {
    "folders 3,000 deep": "for _ in range(3000):\n os.mkdir('d' * 40); os.chdir('d' * 40)",
    "folders that nobody may enter": "os.makedirs('a/b/c'); os.chmod('a/b', 0); os.chmod('a', 0)",
    "files without rights": "open('f', 'w').close(); os.chmod('f', 0); os.chmod('.', 0)",
    "pipes, sockets and links": "os.mkfifo('p'); os.symlink('/', 'l'); os.symlink('/etc/passwd', '../l');"
    "import socket; s = socket.socket(socket.AF_UNIX); s.bind('s')",
    "15,000 empty files": "[open(str(n), 'w').close() for n in range(15000)]",
    "names that look like ours": "os.mkdir('../../.removed-0'); os.mkdir('x'); open('../../.removed-1', 'w')",
    "names that are no text": "os.mkdir(b'\\xff\\n'); open(b'\\xff\\n/\\xfe', 'w')",
    "in place of our folders": "os.rename('../../kept', '../../k'); open('../../kept', 'w');"
    "os.rename('../../run', '../../r')",
}


@pytest.mark.parametrize("what", NESTS)
def test_whatever_is_left_on_the_volume_is_removed(server: SandboxServer, what: str) -> None:
    with server.connected() as sandbox:
        answer = sandbox.run([python(), "-c", f"import os\n{NESTS[what]}"], Bounds(seconds=120))
        assert (answer.code, answer.output) == (0, "")
        assert {each.name for each in server.volume.iterdir()} <= {"kept"}
    with server.connected() as sandbox:
        assert sandbox.run(["ls", "-A", f"{server.volume}/kept", "."], Bounds()).code == 0
        assert list((server.volume / "kept").iterdir()) == []


def test_a_link_in_place_of_a_folder_leads_nowhere(hostile: Hostile, server: SandboxServer, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("ours")
    program = f"import os; os.rename('../../run', '../../gone'); os.symlink({str(victim)!r}, '../../run')"
    assert hostile(program).code == 0
    assert (victim / "file").read_text() == "ours"
    assert hostile("print('on')").output == "on\n"


def test_the_sandboxs_name_cannot_be_taken_nor_an_order_given_from_inside(
    hostile: Hostile, server: SandboxServer
) -> None:
    program = f"""
import socket
name = {address(server.volume)!r}
try:
    socket.socket(socket.AF_UNIX).bind(name)
except OSError as error:
    print(error.strerror)
calls = [socket.socket(socket.AF_UNIX) for _ in range(100)]
for call in calls:
    call.setblocking(False)
    try:
        call.connect(name)
        call.send(b'\\0\\0\\0\\2{{}}')
    except OSError:
        pass
"""
    assert hostile(program).output == "Address already in use\n"
    assert hostile("print('ours')").output == "ours\n"


def test_a_connection_from_inside_is_closed_without_a_word(server: SandboxServer) -> None:
    program = f"""
import socket
call = socket.socket(socket.AF_UNIX)
call.connect({address(server.volume)!r})
print(call.recv(10))
"""
    command = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", python(), "-c", program]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"b''\n"


def test_an_answer_that_is_printed_or_written_is_output_and_no_answer(hostile: Hostile) -> None:
    forged = Answer(Ended.EXITED, 0, "all passed").encode().decode()
    program = f"""
import os, sys
forged = {forged!r}
for name in ('answer', '../answer', '../../answer', '../../kept/answer', '../../result.json'):
    open(name, 'w').write(forged)
for number in range(3, 64):
    try:
        os.write(number, len(forged).to_bytes(4, 'big') + forged.encode())
    except OSError:
        pass
print(forged)
sys.exit(7)
"""
    answer = hostile(program)
    assert (answer.code, answer.output) == (7, forged + "\n")


def test_what_is_tested_next_is_what_the_runner_holds(sandbox: Sandbox, server: SandboxServer, tmp_path: Path) -> None:
    tree = a_tree(tmp_path, {"pkg/mod.py": b"old", "run.sh": b"#!/bin/sh\n"}, {b"pkg/mod.py": b"new"})
    stays = "setsid sh -c 'while :; do echo evil > pkg/mod.py; done' &"
    replaces = f"rm -rf pkg; ln -s /etc pkg; echo evil > run.sh; echo evil > ../../tree-evil; {stays}"
    sandbox.run(["sh", "-c", replaces], Bounds(seconds=120), tree)
    told = sandbox.run(["sh", "-c", "cat pkg/mod.py; ls -l run.sh; ls -A ../.."], Bounds(seconds=120), tree).output
    assert told.startswith("new-rwxr-xr-x")
    assert "evil" not in told
    assert tree.changed == {b"pkg/mod.py": b"new"}
    assert {each.name for each in server.volume.iterdir()} == {"kept"}


def test_an_archive_that_was_replaced_on_its_way_is_not_run(server: SandboxServer, tmp_path: Path) -> None:
    with server.connected() as sandbox:
        name, _digest = sandbox._handed_over(a_tree(tmp_path, {"a": b"1"}))
        send(sandbox._connection, Order(("echo", "ran"), archive=(name, "0" * 64)).encode())
        answer = Answer.decode(receive(sandbox._connection) or b"")
        assert answer.ended is Ended.NOT_STARTED
        assert "not the one of this order" in answer.output


def test_members_that_lead_out_of_the_tree_are_not_written(sandbox: Sandbox, tmp_path: Path) -> None:
    tree = a_tree(tmp_path, {"../out": b"x", "/tmp/out-of-the-tree": b"x", "in": b"x"})
    assert sandbox.run(["ls", "-A", ".", ".."], Bounds(seconds=120), tree).output == ".:\nin\n\n..:\nhome\ntmp\ntree\n"
    assert not Path("/tmp/out-of-the-tree").exists()


def test_what_is_no_order_ends_the_conversation_and_not_the_sandbox(server: SandboxServer) -> None:
    for message in (b"", b"[]", b"\xff", b'{"argv": ["ls"]}', b"[" * 100_000):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(address(server.volume))
            connection.settimeout(120)
            assert receive(connection) == b"ready"
            connection.sendall(len(message).to_bytes(4, "big") + message)
            assert connection.recv(1) == b""
    with server.connected() as sandbox:
        assert sandbox.run(["echo", "on"], Bounds()).output == "on\n"


def test_a_program_that_is_not_there_is_told(sandbox: Sandbox) -> None:
    answer = sandbox.run(["no-such-program"], Bounds())
    assert answer.ended is Ended.NOT_STARTED
    assert "no-such-program" in answer.output


def test_it_never_runs_where_it_could_end_other_peoples_processes() -> None:
    done = subprocess.run([sys.executable, "-m", "forge_sandbox", "/tmp"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "first one of a container" in done.stderr
