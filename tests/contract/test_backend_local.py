"""The local backend under the public contract, with small Python processes in the place of JVMs."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr

from fireside.backends.local import LocalBackend
from fireside.model import defaults, planning
from fireside.model.plan import Node, Plan, SecretName
from fireside.model.sizing import Room
from fireside.model.spec import ClusterSpec
from fireside.ports import Backend
from fireside.render.process import ProcessDefinition, process
from fireside.render.process import Site as Place
from fireside.settings import Settings
from fireside.testing.backend_contract import CHECKS, Check, Site

ROOM = Room(cores=16, memory=64 * 1024, spark="4.3.0", python="3.11", javas=("17.0.1",))
STAND_IN = (
    "import signal; signal.signal(signal.SIGPWR, lambda *_: None); print('up', flush=True)\nwhile 1: signal.pause()"
)


def stand_in(plan: Plan, node: Node, site: Place, secrets: Mapping[SecretName, SecretStr]) -> ProcessDefinition:
    return dataclasses.replace(process(plan, node, site, secrets), argv=(sys.executable, "-c", STAND_IN))


def small_plan(workers: int) -> Plan:
    return planning.build(defaults.fit(ClusterSpec.model_validate({"workers": workers, "connect": False}), ROOM).spec)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    opened: list[LocalBackend] = []

    async def open_backend(installation: str) -> Backend:
        # Every run is an installation of its own, or two runs of the tests on one machine would meet.
        home = tmp_path / installation
        opened.append(LocalBackend(Settings(home=home, grace=5.0), str(home), define=stand_in))
        return opened[-1]

    async def kill(backend: Backend, cluster_id: str, node: str) -> None:
        record = tmp_path / "contract-a" / "clusters" / cluster_id / "nodes" / node / "record.json"
        os.kill(json.loads(record.read_text())["pid"], signal.SIGKILL)

    yield Site(open=open_backend, plan=small_plan, kill=kill, seconds=20)
    for backend in opened:
        await backend.aclose()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_local_processes_keep_the_contract(check: Check, site: Site) -> None:
    await check(site)
