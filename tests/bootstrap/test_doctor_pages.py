"""`onmeet-bootstrap doctor` examines what browsers meet: guests, site, whose certificate it is."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from onmeet_bootstrap.app import open_bootstrap
from onmeet_bootstrap.config.model import BootstrapConfig, GuestsConfig, MetricsConfig, SiteConfig
from onmeet_bootstrap.doctor.outside import View
from onmeet_bootstrap.status import serve_status
from onmeet_bootstrap.watching.serving import serve_metrics

from onmeet_node import guest_page
from onmeet_node.findings import Level
from tests.bootstrap.ports import free_port
from tests.bootstrap.setups import certificate
from tests.bootstrap.test_doctor import causes, inside, made, runtime  # noqa: F401 - a fixture
from tests.bootstrap.test_watching import MEASURED
from tests.requirements import need

pytestmark = pytest.mark.real


def gateway(**settings: object) -> GuestsConfig:
    where = f"127.0.0.1:{free_port()}"
    return GuestsConfig(**{"serve": True, "listen": (where,), **settings})  # type: ignore[arg-type]


def policy(where: Path, *, days: int = 0) -> str:
    """A policy that takes effect in so many days."""
    effective = datetime.date.today() + datetime.timedelta(days=days)
    posted = effective - datetime.timedelta(days=14)
    where.write_text(f"version: 3\nposted: {posted}\neffective: {effective}\n\nBe kind.\n")
    return str(where)


@contextmanager
def mail_server() -> Iterator[int]:
    """Says that it is there, and takes nothing."""

    def serve(listener: socket.socket) -> None:
        line, _ = listener.accept()
        with line, line.makefile("rw", newline="\r\n") as text:
            text.write("220 here\n")
            text.flush()
            for said in text:
                text.write("221 bye\n" if said.lower().startswith("quit") else "250 well\n")
                text.flush()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield listener.getsockname()[1]
        thread.join(timeout=10)


async def test_a_gateway_and_a_site_that_are_whole(tmp_path: Path) -> None:
    need(None if guest_page.files() else "the guest page is not built (make ui, Node.js 20)")
    files = certificate(tmp_path, "localhost")
    known = View(tls=ssl.create_default_context(cafile=files["certificate"]))
    guests = gateway(origin="https://localhost", **files)
    with mail_server() as port:
        site = SiteConfig(
            serve=True,
            policies=(policy(tmp_path / "policy"),),
            mail_to="a@b.example",
            mail_from="c@b.example",
            smtp_host="127.0.0.1",
            smtp_port=port,
            smtp_tls="none",
        )
        metrics = MetricsConfig(serve=True, listen=(f"127.0.0.1:{free_port()}",))
        home = made(tmp_path, guests=guests, site=site, metrics=metrics)
        running = _loaded(home)
        async with (
            open_bootstrap(running),
            serve_status(home, dict),
            serve_metrics(metrics, lambda: MEASURED, tuple),
        ):
            found = await inside(home, known)
    assert causes(found) == []
    well = "\n".join(causes(found, Level.GOOD))
    for what in (
        "certificate of [guests] is for localhost",
        "The guest page is served",
        "Version 3 of the policy is in force",
        "mail server 127.0.0.1 answers",
        "/healthz",
    ):
        assert what in well


def _loaded(home: Path) -> BootstrapConfig:
    from onmeet_bootstrap.config.file import load

    return load(home)


async def test_an_authority_of_ones_own_is_told(tmp_path: Path) -> None:
    home = made(
        tmp_path, guests=gateway(origin="https://localhost", **certificate(tmp_path, "localhost"))
    )
    (unknown,) = [
        what for what in causes(await inside(home), Level.POOR) if "an authority that" in what
    ]
    assert "[guests]" in unknown
    assert "self-signed" in unknown


@pytest.mark.parametrize("days", [10, -1])
async def test_a_certificate_of_guests_that_ends(tmp_path: Path, days: int) -> None:
    files = certificate(tmp_path, "localhost", days=days)
    home = made(tmp_path, guests=gateway(origin="https://localhost", **files))
    found = await inside(home)
    level = Level.POOR if days > 0 else Level.BAD
    assert any(
        "[guests]" in what and ("ends on" in what or "expired on" in what)
        for what in causes(found, level)
    )


async def test_mistakes_of_guests_and_site_are_all_told(tmp_path: Path) -> None:
    home = made(
        tmp_path,
        guests=gateway(certificate="/no", key="/no", origin="https://localhost"),
        site=SiteConfig(serve=True, policies=("/no",), mail_to="a@b.example"),
        metrics=MetricsConfig(serve=True, listen=("0.0.0.0:9464",)),
    )
    told = "\n".join(causes(await inside(home)))
    for setting in (
        "[guests] certificate",
        "[site] policies",
        "[site] mail_to",
        "[metrics] listen",
    ):
        assert setting in told


async def test_a_site_without_a_policy_and_with_a_mail_server_that_is_not_there(
    tmp_path: Path,
) -> None:
    site = SiteConfig(
        serve=True,
        mail_to="a@b.example",
        mail_from="c@b.example",
        smtp_host="127.0.0.1",
        smtp_port=free_port(),
    )
    found = await inside(made(tmp_path, guests=gateway(), site=site))
    assert any("No policy is in force" in what for what in causes(found, Level.POOR))
    assert any("mail server 127.0.0.1" in what for what in causes(found))


async def test_a_gateway_that_does_not_answer_and_health_that_is_bad(tmp_path: Path) -> None:
    metrics = MetricsConfig(serve=True, listen=(f"127.0.0.1:{free_port()}",))
    home = made(tmp_path, guests=gateway(), metrics=metrics)
    async with (
        serve_status(home, dict),
        serve_metrics(metrics, lambda: MEASURED, lambda: ("turn: coturn is being started again",)),
    ):
        told = "\n".join(causes(await inside(home)))
    assert "The guest page is not served" in told
    assert "does not say that all is well (503)" in told
