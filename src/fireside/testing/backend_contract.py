"""The contract of a backend as public checks: for whoever writes a backend, real or fake.

Each check is a coroutine function that takes a :class:`Site` and raises AssertionError where the backend breaks the
contract of :class:`fireside.ports.Backend`. A check uses clusters of its own and removes them. Whether nodes become
*usable* is not part of it (that is the engine's matter); whether they run, are found again and end is. With pytest::

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    async def test_it_keeps_the_contract(check):
        await check(Site(open=my_backend, plan=my_plan, kill=my_kill, seconds=60))
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from pydantic import SecretStr

from fireside.errors import Conflict, Unavailable
from fireside.model.plan import Plan, SecretName
from fireside.model.state import NodeState, Role
from fireside.ports import Backend, NodeObservation

_LIVE = frozenset({NodeState.RUNNING, NodeState.STARTING})
_NAP = 0.05
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Site:
    """A place where backends can be tried."""

    open: Callable[[str], Awaitable[Backend]]
    """Return a backend for the installation of this id; all of them on the same machine."""
    plan: Callable[[int], Plan]
    """Return a small plan with a master and this many workers (at most 2 are asked for)."""
    kill: Callable[[Backend, str, str], Awaitable[None]]
    """End a node (cluster id, name) without asking the backend."""
    seconds: float = 5.0
    """How long a node may take to start, to end, or to be seen as ended."""


Check = Callable[[Site], Coroutine[Any, Any, None]]


# ---------------------------------------------------------------------------------------------- checks


async def apply_starts_the_nodes_of_the_plan(site: Site) -> None:
    """Every node of the plan runs, is labelled with its cluster and the digest that it was started from."""
    async with _cluster(site) as (backend, one):
        plan = site.plan(1)
        nodes = await _applied(site, backend, one, plan)
        assert set(nodes) == {node.name for node in plan.nodes()}, f"other nodes run: {sorted(nodes)}"
        for node in plan.nodes():
            seen = nodes[node.name]
            assert seen.cluster_id == one
            assert seen.digest == plan.digest(node.role), f"{node.name} shows another digest than its plan"
            assert seen.incarnation, f"{node.name} has no incarnation"
        everything = await backend.observe()
        assert everything.complete
        assert everything.epoch
        assert one in everything.remains


async def apply_again_changes_nothing(site: Site) -> None:
    """What runs as the plan wants it is left alone."""
    async with _cluster(site) as (backend, one):
        before = await _applied(site, backend, one, site.plan(1))
        after = await _applied(site, backend, one, site.plan(1))
        assert _incarnations(before) == _incarnations(after)


async def an_older_generation_is_refused(site: Site) -> None:
    """A late call never overwrites a newer one."""
    async with _cluster(site) as (backend, one):
        await backend.apply(one, 7, site.plan(1))
        try:
            await backend.apply(one, 6, site.plan(2))
        except Conflict:
            return
        raise AssertionError("an older generation was applied over a newer one")


async def held_nodes_are_left_as_they_are(site: Site) -> None:
    """Held nodes are neither started, nor replaced, nor taken away."""
    async with _cluster(site) as (backend, one):
        await backend.apply(one, 1, site.plan(1), frozenset({"worker-1"}))
        before = await _live(backend, one)
        assert "worker-1" not in before, "a held node was started"
        before = await _applied(site, backend, one, site.plan(2), generation=2)
        restarted = _revised(site.plan(1), Role.MASTER)
        await backend.apply(one, 3, restarted, frozenset({"master", "worker-2"}))
        after = await _live(backend, one)
        assert after["master"].incarnation == before["master"].incarnation, "a held node was replaced"
        assert after.get("worker-2") == before["worker-2"], "a held node was taken away"


async def nodes_that_the_plan_does_not_want_are_taken_away(site: Site) -> None:
    """A smaller count removes the highest ordinals, and leaves the others alone."""
    async with _cluster(site) as (backend, one):
        before = await _applied(site, backend, one, site.plan(2))
        await backend.apply(one, 2, site.plan(1))
        await _eventually(site, lambda: _are_live(backend, one, {"master", "worker-1"}), "worker-2 to be gone")
        after = await _live(backend, one)
        assert after["worker-1"].incarnation == before["worker-1"].incarnation


async def another_digest_replaces_the_node(site: Site) -> None:
    """Only nodes of the role whose template changed get a new incarnation."""
    async with _cluster(site) as (backend, one):
        before = await _applied(site, backend, one, site.plan(1))
        after = await _applied(site, backend, one, _revised(site.plan(1), Role.WORKER), generation=2)
        assert after["worker-1"].incarnation != before["worker-1"].incarnation
        assert after["master"].incarnation == before["master"].incarnation


async def a_dead_node_is_seen_and_started_again(site: Site) -> None:
    """A node that dies is gone with a reason, or absent; apply gives it a new incarnation."""
    async with _cluster(site) as (backend, one):
        before = await _applied(site, backend, one, site.plan(1))
        await site.kill(backend, one, "worker-1")
        await _eventually(site, lambda: _are_live(backend, one, {"master"}), "the death of worker-1 to be seen")
        dead = (await backend.observe(one)).of(one).get("worker-1")
        assert dead is None or dead.reason, "a dead node shows no reason"
        after = await _applied(site, backend, one, site.plan(1))
        assert after["worker-1"].incarnation != before["worker-1"].incarnation
        assert after["master"].incarnation == before["master"].incarnation


async def remove_ends_all_of_it_and_can_be_repeated(site: Site) -> None:
    """When it returns nothing runs any more; a second time finds nothing to do; it can be started again."""
    async with _cluster(site) as (backend, one):
        await _applied(site, backend, one, site.plan(1))
        await backend.remove(one, purge=False)
        seen = await backend.observe()
        assert not await _live(backend, one), "nodes run after remove"
        assert one not in seen.remains, "something of a removed cluster remains"
        await backend.remove(one, purge=False)
        await _applied(site, backend, one, site.plan(1), generation=2)


async def removing_what_never_was_is_no_error(site: Site) -> None:
    """A clean-up may be repeated after the fact."""
    backend = await site.open("contract-a")
    await backend.remove(_new_id(), purge=True)


async def an_unknown_cluster_is_an_empty_picture(site: Site) -> None:
    """Looking for what is not there is no error."""
    backend = await site.open("contract-a")
    seen = await backend.observe(_new_id())
    assert seen.complete
    assert seen.nodes == ()


async def secrets_are_kept_until_they_are_purged(site: Site) -> None:
    """They survive remove, are readable by another backend object of the installation, and end with the data."""
    async with _cluster(site) as (backend, one):
        secrets = {SecretName.RPC: SecretStr("r" * 20), SecretName.CONNECT_TOKEN: SecretStr("t" * 20)}
        await backend.put_secrets(one, secrets)
        await backend.remove(one, purge=False)
        assert dict(await (await site.open("contract-a")).read_secrets(one)) == secrets
        await backend.remove(one, purge=True)
        assert not await backend.read_secrets(one), "secrets survived a purge"
        assert not await backend.data_of(one), "data survived a purge"


async def dial_gives_addresses_of_running_nodes_only(site: Site) -> None:
    """An address for each port of a running node; Unavailable for the others."""
    async with _cluster(site) as (backend, one):
        plan = site.plan(1)
        await _applied(site, backend, one, plan)
        master = plan.group(Role.MASTER)
        assert master is not None
        addresses = {str(await backend.dial(one, "master", port.name)) for port in master.ports}
        assert len(addresses) == len(master.ports), "two ports share an address"
        port = master.ports[0].name
        await backend.remove(one, purge=False)
        try:
            await backend.dial(one, "master", port)
        except Unavailable:
            return
        raise AssertionError("dial gave an address of a node that does not run")


async def logs_name_their_node_and_respect_tail(site: Site) -> None:
    """Lines of the asked node alone, and no more of them than asked for."""
    async with _cluster(site) as (backend, one):
        await _applied(site, backend, one, site.plan(1))

        async def wrote() -> bool:
            return bool([line async for line in backend.logs(one, "master", follow=False, tail=None)])

        await _eventually(site, wrote, "the master to write a line")
        lines = [line async for line in backend.logs(one, "master", follow=False, tail=1)]
        assert {line.node for line in lines} == {"master"}
        per_source = [line.source for line in lines]
        assert len(per_source) == len(set(per_source)), "more lines than `tail` asked for"


async def clusters_do_not_touch_each_other(site: Site) -> None:
    """What happens to one cluster leaves the other alone."""
    async with _cluster(site) as (backend, one), _cluster(site) as (_, other):
        await _applied(site, backend, one, site.plan(1))
        before = await _applied(site, backend, other, site.plan(1))
        seen = (await backend.observe(other)).nodes
        assert {node.cluster_id for node in seen} == {other}, "observing one cluster shows another"
        await backend.remove(one, purge=True)
        assert _incarnations(await _live(backend, other)) == _incarnations(before)


async def installations_do_not_see_each_other(site: Site) -> None:
    """Two installations on one machine neither see nor end what is the other's, even under one cluster id."""
    async with _cluster(site) as (backend, one):
        before = await _applied(site, backend, one, site.plan(1))
        stranger = await site.open("contract-b")
        seen = await stranger.observe()
        assert one not in seen.remains
        assert one not in {node.cluster_id for node in seen.nodes}
        assert not await stranger.read_secrets(one)
        await stranger.remove(one, purge=True)
        assert _incarnations(await _live(backend, one)) == _incarnations(before)


async def drained_workers_become_empty(site: Site) -> None:
    """A drained node says so, holds nothing after a while, and draining it again is no error."""
    async with _cluster(site) as (backend, one):
        await _applied(site, backend, one, site.plan(2))
        await backend.drain(one, ["worker-2"])
        await backend.drain(one, ["worker-2"])

        async def empty() -> bool:
            node = (await backend.observe(one)).of(one).get("worker-2")
            return node is None or node.state is NodeState.GONE or (node.draining and node.children in {0, None})

        await _eventually(site, empty, "worker-2 to be empty")


CHECKS: tuple[Check, ...] = (
    apply_starts_the_nodes_of_the_plan,
    apply_again_changes_nothing,
    an_older_generation_is_refused,
    held_nodes_are_left_as_they_are,
    nodes_that_the_plan_does_not_want_are_taken_away,
    another_digest_replaces_the_node,
    a_dead_node_is_seen_and_started_again,
    remove_ends_all_of_it_and_can_be_repeated,
    removing_what_never_was_is_no_error,
    an_unknown_cluster_is_an_empty_picture,
    secrets_are_kept_until_they_are_purged,
    dial_gives_addresses_of_running_nodes_only,
    logs_name_their_node_and_respect_tail,
    clusters_do_not_touch_each_other,
    installations_do_not_see_each_other,
    drained_workers_become_empty,
)


# ---------------------------------------------------------------------------------------------- inside


def _new_id() -> str:
    return f"contract{next(_numbers):04d}"


@asynccontextmanager
async def _cluster(site: Site) -> AsyncIterator[tuple[Backend, str]]:
    """Give a backend and the id of a cluster with secrets, and take all of it away afterwards."""
    backend = await site.open("contract-a")
    cluster_id = _new_id()
    secrets = {name: SecretStr("contract-secret-" + name.value) for name in SecretName}
    await backend.put_secrets(cluster_id, secrets)
    try:
        yield backend, cluster_id
    finally:
        await backend.remove(cluster_id, purge=True)


async def _applied(
    site: Site, backend: Backend, cluster_id: str, plan: Plan, *, generation: int = 1
) -> dict[str, NodeObservation]:
    """Apply a plan and return its nodes when they run."""
    await backend.apply(cluster_id, generation, plan)
    names = {node.name for node in plan.nodes()}
    await _eventually(site, lambda: _are_live(backend, cluster_id, names), f"{sorted(names)} to run")
    return await _live(backend, cluster_id)


async def _live(backend: Backend, cluster_id: str) -> dict[str, NodeObservation]:
    seen = (await backend.observe(cluster_id)).of(cluster_id)
    return {name: node for name, node in seen.items() if node.state in _LIVE}


async def _are_live(backend: Backend, cluster_id: str, names: set[str]) -> bool:
    return set(await _live(backend, cluster_id)) == names


async def _eventually(site: Site, condition: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = time.monotonic() + site.seconds
    while not await condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {site.seconds:g} s for {what}")
        await asyncio.sleep(_NAP)


def _incarnations(nodes: dict[str, NodeObservation]) -> dict[str, str]:
    return {name: node.incarnation for name, node in nodes.items()}


def _revised(plan: Plan, role: Role) -> Plan:
    groups = tuple(
        group.model_copy(update={"revision": group.revision + 1}) if group.role is role else group
        for group in plan.groups
    )
    return plan.model_copy(update={"groups": groups})
