"""The lab itself: what its routers, blocks and delays do, measured; and that it cleans up."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.netlab import conftest
from tests.netlab.lab import PREFIX, Nat, open_lab, sweep
from tests.netlab.probes import (
    MOMENT,
    PATIENCE,
    PORT,
    connects,
    mappings,
    reaches,
    receive,
    round_trips,
    udp_socket,
)

ROOT = Path(__file__).parents[2]


def namespaces(owner: int) -> list[str]:
    return [path.name for path in Path("/run/netns").glob(f"{PREFIX}-{owner}-*")]


class TestNat:
    def test_open_hosts_reach_each_other_unasked(self, lab):
        alice, ben = lab.host("alice"), lab.host("ben")
        assert reaches(alice, ben)
        assert reaches(ben, alice)
        assert connects(alice, ben)
        assert mappings(alice, [ben])[0][0] == alice.address == alice.outside

    def test_a_cone_shows_one_port_to_all_destinations(self, lab):
        alice = lab.host("alice", behind=lab.router("home", Nat.CONE))
        one, two = mappings(alice, [lab.host("s1"), lab.host("s2")])
        assert one == two
        assert one[0] == alice.outside != alice.address

    def test_a_symmetric_nat_shows_another_port_to_each_destination(self, lab):
        alice = lab.host("alice", behind=lab.router("office", Nat.SYMMETRIC))
        one, two = mappings(alice, [lab.host("s1"), lab.host("s2")])
        assert one[1] != two[1]
        assert one[0] == two[0] == alice.outside

    @pytest.mark.parametrize("nat", Nat)
    def test_nobody_comes_in_unasked_but_answers_do(self, lab, nat):
        alice, server = lab.host("alice", behind=lab.router("home", nat)), lab.host("server")
        assert not reaches(server, alice, alice.outside, patience=MOMENT)
        assert connects(alice, server)
        with udp_socket(alice) as asking, udp_socket(server, PORT) as answering:
            asking.sendto(b"?", (server.address, PORT))
            _, where = receive(answering)
            answering.sendto(b"!", where)
            assert receive(asking) == (b"!", (server.address, PORT))

    @pytest.mark.parametrize(
        ("first", "second", "possible"),
        [
            (Nat.CONE, Nat.CONE, True),
            (Nat.SYMMETRIC, Nat.CONE, False),
            (Nat.SYMMETRIC, Nat.SYMMETRIC, False),
        ],
    )
    def test_hole_punching_works_exactly_between_cones(self, lab, first, second, possible):
        server = lab.host("server")
        alice = lab.host("alice", behind=lab.router("one", first))
        ben = lab.host("ben", behind=lab.router("two", second))
        with udp_socket(server, PORT) as stun, udp_socket(alice) as a, udp_socket(ben) as b:
            seen = []
            for asking in (a, b):
                asking.sendto(b"where am I", (server.address, PORT))
                seen.append(receive(stun)[1])
            for _ in range(3):
                a.sendto(b"from a", seen[1])
                b.sendto(b"from b", seen[0])
            patience = PATIENCE if possible else MOMENT
            assert all(receive(one, patience) is not None for one in (a, b)) is possible

    def test_two_hosts_behind_one_router_share_a_lan(self, lab):
        home = lab.router("home", Nat.CONE)
        alice, ben = lab.host("alice", behind=home), lab.host("ben", behind=home)
        assert alice.outside == ben.outside
        assert reaches(alice, ben)


class TestIpv6:
    def test_a_host_of_ipv6_alone_reaches_ipv6_only(self, lab):
        alice, ben = lab.host("alice"), lab.host("ben")
        old, there = ben.address, ben.speak_ipv6()
        assert alice.speak_ipv6(alone=True) == alice.outside == alice.address
        with alice.inside():
            four, six = socket.socket(), socket.socket(socket.AF_INET6)
        with ben.inside():
            listening = socket.create_server(("::", PORT), family=socket.AF_INET6)
        with four, six, listening:
            with pytest.raises(OSError, match="unreachable"):
                four.connect((old, PORT))
            six.settimeout(PATIENCE)
            six.connect((there, PORT))


class TestTrouble:
    def test_udp_blocked_leaves_tcp(self, lab):
        alice, ben = lab.host("alice"), lab.host("ben")
        alice.block_udp()
        with pytest.raises(PermissionError):
            reaches(alice, ben)
        assert not reaches(ben, alice, patience=MOMENT)
        assert connects(alice, ben)
        alice.restore()
        assert reaches(alice, ben)

    def test_a_silenced_host_gives_no_sign_until_restored(self, lab):
        alice, ben = lab.host("alice"), lab.host("ben")
        alice.silence()
        assert not reaches(ben, alice, patience=MOMENT)
        assert not connects(ben, alice, patience=MOMENT)
        alice.restore()
        assert connects(ben, alice)

    def test_a_host_that_moves_is_found_at_its_new_address_only(self, lab):
        alice, ben = lab.host("alice"), lab.host("ben")
        old = alice.address
        assert reaches(ben, alice)
        alice.move("203.0.113.77")
        assert reaches(ben, alice)
        assert alice.outside == "203.0.113.77"
        assert not reaches(ben, alice, old, patience=MOMENT)


class TestSwitch:
    def test_a_round_trip_takes_twice_the_delay(self, slow_lab):
        alice, ben = slow_lab.host("alice"), slow_lab.host("ben")
        for delay in (0, 10, 40):
            slow_lab.set(delay_ms=delay)
            fastest = min(round_trips(alice, ben))
            assert 2 * delay <= fastest < 2 * delay + 5, delay

    def test_it_delays_those_behind_nats_as_well(self, slow_lab):
        slow_lab.set(delay_ms=20)
        alice = slow_lab.host("alice", behind=slow_lab.router("home", Nat.CONE))
        assert 40 <= min(round_trips(alice, slow_lab.host("server"))) < 45

    @pytest.mark.parametrize("loss", [0.0, 0.05, 0.3])
    def test_it_loses_the_share_that_was_asked_for(self, slow_lab, loss):
        alice, ben = slow_lab.host("alice"), slow_lab.host("ben")
        round_trips(alice, ben, 1)  # ARP
        slow_lab.set(delay_ms=1, loss=loss)
        sent, received = 3000, 0
        with udp_socket(alice) as sending, udp_socket(ben, PORT) as receiving:
            for number in range(sent):
                sending.sendto(number.to_bytes(4), (ben.address, PORT))
                if number % 50 == 49:  # within the receiver's buffer
                    time.sleep(0.003)
                    while receive(receiving, 0.002):
                        received += 1
            while receive(receiving, MOMENT):
                received += 1
        assert slow_lab.switch.stats()[2] == 0
        sigma = (loss * (1 - loss) / sent) ** 0.5
        assert abs((sent - received) / sent - loss) <= 5 * sigma

    def test_frames_stay_in_order_and_tcp_carries_bulk(self, slow_lab):
        slow_lab.set(delay_ms=2)
        alice, ben = slow_lab.host("alice"), slow_lab.host("ben")
        with ben.inside():
            server = socket.create_server(("", PORT))
        with alice.inside():
            client = socket.socket()
        with server, client:
            client.connect((ben.address, PORT))
            accepted, _ = server.accept()
            with accepted:
                chunk = os.urandom(64 * 1024)
                for _ in range(16):
                    client.sendall(chunk)
                    assert accepted.recv(len(chunk), socket.MSG_WAITALL) == chunk


@pytest.mark.netlab
class TestCleanUp:
    def test_a_closed_lab_leaves_no_namespace_and_no_process(self, lab_possible):
        with open_lab() as lab:
            alice = lab.host("alice", behind=lab.router("home", Nat.CONE))
            sleeper = subprocess.Popen(alice.command("sleep", "1000"))
            while sleeper.pid not in alice.pids():
                time.sleep(0.01)
        assert sleeper.wait(5) == -signal.SIGTERM
        assert namespaces(os.getpid()) == []

    def test_two_labs_with_the_same_addresses_do_not_meet(self, lab):
        alice = lab.host("alice")
        with open_lab() as other:
            other_alice, other_ben = other.host("alice"), other.host("ben")
            assert other_alice.address == alice.address
            with udp_socket(alice, PORT) as listening, udp_socket(other_ben) as sending:
                sending.sendto(b"x", (alice.address, PORT))
                assert receive(listening, MOMENT) is None

    def test_what_a_killed_test_run_left_is_swept_away_by_the_next(self, lab_possible):
        script = (
            "import os, signal, subprocess\nfrom tests.netlab.lab import open_lab\n"
            "with open_lab() as lab:\n"
            "    left = subprocess.Popen(lab.host('alice').command('sleep', '1000'))\n"
            "    print(left.pid, flush=True)\n"
            "    os.kill(os.getpid(), signal.SIGKILL)"
        )
        killed = subprocess.Popen(
            [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        with killed:
            left = int(killed.stdout.readline())
            killed.wait(10)
        assert len(namespaces(killed.pid)) == 2
        sweep()
        assert namespaces(killed.pid) == []
        assert not Path(f"/proc/{left}").exists() or "Z" in Path(f"/proc/{left}/stat").read_text()


class TestRequirement:
    def test_a_machine_that_cannot_skips_with_the_reason(self, monkeypatch):
        for name in conftest.REQUIRED:
            monkeypatch.delenv(name, raising=False)
        conftest.need(None)
        with pytest.raises(pytest.skip.Exception, match="no root"):
            conftest.need("no root")

    @pytest.mark.parametrize("name", conftest.REQUIRED)
    def test_where_the_lab_is_required_a_skip_is_a_failure(self, monkeypatch, name):
        monkeypatch.setenv(name, "1")
        with pytest.raises(pytest.fail.Exception, match="no root"):
            conftest.need("no root")
