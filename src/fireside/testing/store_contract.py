"""The contract of a store as public checks: for whoever writes a store, real or fake.

Each check is a coroutine function that takes a fresh, empty store and raises AssertionError where the store breaks
the contract of :class:`fireside.ports.Store`. :data:`CHECKS` lists those that hold for every store;
:data:`DURABLE_CHECKS` those for stores whose records survive, which take a `reopen` function besides: it closes
the store and opens one on the same records. With pytest::

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    async def test_it_keeps_the_contract(check):
        async with MyStore() as store:
            await check(store)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from fireside.errors import Conflict, FiresideError, NotFound
from fireside.model.plan import Budget, BudgetPart, Group, Plan, Port, Probe
from fireside.model.spec import ClusterSpec
from fireside.model.state import ClusterStatus, Desired, EventKind, NodePhase, NodeStatus, Phase, Role, Topology
from fireside.ports import ClusterRecord, StepKind, Store

Check = Callable[[Store], Coroutine[Any, Any, None]]
Reopen = Callable[[Store], Awaitable[Store]]
DurableCheck = Callable[[Store, Reopen], Coroutine[Any, Any, None]]

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def sample_record(name: str = "default", *, owner: str = "ann", cluster_id: str | None = None) -> ClusterRecord:
    """Return a record that uses every kind of value: units, durations, enums, moments, nested parts, umlauts."""
    asked = {"name": "x", "workers": {"count": 2, "memory": "1.5g"}, "spark": {"conf": {"spark.app.name": "Grüße ☕"}}}
    return ClusterRecord(
        id=cluster_id or f"id-{owner}-{name}",
        owner=owner,
        name=name,
        backend="local",
        spec=ClusterSpec.model_validate(asked),
        asked=asked,
        plan=Plan(
            topology=Topology.SINGLE,
            backend="local",
            spark="4.3.0",
            groups=(
                Group(
                    role=Role.CONNECT,
                    count=1,
                    cores=1,
                    budget=Budget(limit=1024, parts=(BudgetPart(name="heap", mib=1024),)),
                    heap=1024,
                    ports=(Port(name="connect", preferred=15002),),
                    probe=Probe.HANDSHAKE,
                ),
            ),
        ),
        desired=Desired.RUNNING,
        status=ClusterStatus(since=NOW),
        created_at=NOW,
        changed_at=NOW,
    )


# -------------------------------------------------------------------------------------- installation


async def check_the_installation_keeps_its_id(store: Store) -> None:
    """Asked twice, an installation is the same; a new one holds nothing back."""
    first = await store.installation()
    _expect(first.id != "", "an installation has an id")
    _expect(first == await store.installation(), "the id is made once")
    _expect(first.sweep_held is None, "nothing carries the id of a new installation yet: sweeping is harmless")
    await store.release_sweep()
    _expect(first == await store.installation(), "releasing what is not held changes nothing")


async def check_a_working_store_passes_its_check(store: Store) -> None:
    """The health check leaves everything as it is."""
    await store.check()
    _expect(list(await store.list_clusters()) == [], "the check leaves nothing behind")


# ------------------------------------------------------------------------------------------ clusters


async def check_a_created_cluster_reads_back_the_same(store: Store) -> None:
    """Every value comes back as it was given, by id, by name and in the list."""
    record = sample_record()
    stored, created = await store.create(record)
    _expect(created, "the first create makes it")
    _expect(stored == record, "what is stored is what was given")
    _expect(await store.get(record.id) == record, "get returns it")
    _expect(await store.find("ann", "default") == record, "find returns it")
    _expect(list(await store.list_clusters()) == [record], "it is listed")


async def check_a_second_create_returns_the_first(store: Store) -> None:
    """One owner has one cluster of a name, whatever the second create says."""
    first, _ = await store.create(sample_record(cluster_id="one"))
    again, created = await store.create(sample_record(cluster_id="two"))
    _expect(not created, "the second create makes nothing")
    _expect(again == first, "it returns what is there")
    await _raises(NotFound, store.get("two"))


async def check_creates_at_once_make_one_cluster(store: Store) -> None:
    """Twenty creates with one name: exactly one makes it, all see the same."""
    outcomes = await asyncio.gather(*(store.create(sample_record(cluster_id=f"id-{n}")) for n in range(20)))
    _expect(sum(created for _, created in outcomes) == 1, "one of them made it")
    _expect(len({record.id for record, _ in outcomes}) == 1, "all of them got the same")
    _expect(len(await store.list_clusters()) == 1, "there is one")


async def check_a_key_names_one_wish(store: Store) -> None:
    """The same key again returns the same cluster; for another name, or after a delete, it is a conflict."""
    first, _ = await store.create(sample_record(cluster_id="one"), idempotency_key="key")
    again, created = await store.create(sample_record(cluster_id="two"), idempotency_key="key")
    _expect((again, created) == (first, False), "a repetition returns the same")
    await _raises(Conflict, store.create(sample_record("other"), idempotency_key="key"))
    _, created = await store.create(sample_record(owner="bob"), idempotency_key="key")
    _expect(created, "keys of another owner are other keys")
    await store.forget("one")
    await _raises(Conflict, store.create(sample_record(cluster_id="three"), idempotency_key="key"))
    _expect(await store.find("ann", "default") is None, "a late repetition does not bring a deleted cluster back")


async def check_a_key_is_forgotten_after_a_day(store: Store) -> None:
    """Keys do not pile up: after more than a day the same key may name another wish."""
    await store.create(sample_record(), idempotency_key="key")
    later = sample_record("later").model_copy(update={"created_at": NOW + timedelta(days=1, seconds=1)})
    _, created = await store.create(later, idempotency_key="key")
    _expect(created, "the old key is forgotten")


async def check_owners_are_apart(store: Store) -> None:
    """Two owners may use one name; each finds and lists their own."""
    mine, _ = await store.create(sample_record(owner="ann"))
    yours, created = await store.create(sample_record(owner="bob"))
    _expect(created, "the name is free for another owner")
    _expect(await store.find("bob", "default") == yours, "bob finds his")
    _expect(list(await store.list_clusters("ann")) == [mine], "ann sees hers only")
    _expect(list(await store.list_clusters("eve")) == [], "who has none sees none")
    _expect(len(await store.list_clusters()) == 2, "without an owner all are listed")


async def check_clusters_are_listed_by_name(store: Store) -> None:
    """Order by code point, so that it is the same on every database and locale; then by owner."""
    for name in ("b", "a", "Z", "é", "日本", "a b", "it's; DROP TABLE clusters --", "🔥"):
        await store.create(sample_record(name))
    await store.create(sample_record("a", owner="Ann"))
    names = [(record.name, record.owner) for record in await store.list_clusters()]
    _expect(names == sorted(names), f"{names} is in order")
    _expect(len(names) == 9, "every name is kept apart")
    found = await store.find("ann", "日本")
    _expect(found is not None and found.name == "日本", "any text can be a name here")


async def check_a_change_is_compared_and_set(store: Store) -> None:
    """A change on an old generation is refused and changes nothing."""
    record, _ = await store.create(sample_record())
    wish = record.model_copy(update={"desired": Desired.STOPPED, "asked": {}, "changed_at": NOW + timedelta(seconds=1)})
    changed = await store.replace(wish, expected_generation=1)
    _expect(changed.generation == 2, "the generation grows by one")
    _expect(changed.desired is Desired.STOPPED and changed.asked == {}, "the wish is stored")
    _expect(changed.changed_at == wish.changed_at and changed.created_at == NOW, "so is when it changed")
    await _raises(Conflict, store.replace(record, expected_generation=1))
    _expect(await store.get(record.id) == changed, "a refused change changes nothing")
    await _raises(NotFound, store.replace(sample_record("gone"), expected_generation=1))


async def check_one_of_many_changes_wins(store: Store) -> None:
    """Of changes on one generation at the same time exactly one is taken."""
    record, _ = await store.create(sample_record())

    async def change(number: int) -> bool:
        try:
            await store.replace(record.model_copy(update={"asked": {"number": number}}), expected_generation=1)
        except Conflict:
            return False
        return True

    won = await asyncio.gather(*(change(number) for number in range(20)))
    _expect(sum(won) == 1, f"{sum(won)} changes won")
    stored = await store.get(record.id)
    _expect((stored.generation, stored.asked) == (2, {"number": won.index(True)}), "the winner's wish is stored")


async def check_status_and_wish_are_apart(store: Store) -> None:
    """The engine's status survives a change of the owner, and the other way round."""
    record, _ = await store.create(sample_record())
    status = ClusterStatus(
        phase=Phase.STARTING,
        since=NOW,
        observed_generation=1,
        nodes={"connect": NodeStatus(role=Role.CONNECT, phase=NodePhase.BACKING_OFF, retry_at=NOW, restarts=3)},
    )
    await store.set_status(record.id, status)
    _expect((await store.get(record.id)).generation == 1, "a status is no new generation")
    changed = await store.replace(record.model_copy(update={"purge": True}), expected_generation=1)
    _expect(changed.status == status, "an owner who read an older status does not overwrite the newer")
    await store.set_status(record.id, ClusterStatus(since=NOW))
    _expect((await store.get(record.id)).purge, "a status leaves the wish alone")
    await _raises(NotFound, store.set_status("gone", status))


async def check_forgetting_takes_everything(store: Store) -> None:
    """Record, events and steps go, those of others stay; forgetting again is no error; the name is free."""
    record, _ = await store.create(sample_record())
    other, _ = await store.create(sample_record("other"))
    for each in (record, other):
        await store.add_events(each.id, [(NOW, EventKind.CREATED, None, "made")])
        await store.begin_step(each.id, 1, StepKind.APPLY, "all", NOW)
    await store.forget(record.id)
    await store.forget(record.id)
    await _raises(NotFound, store.get(record.id))
    _expect(list(await store.events(record.id)) == [], "its events are gone")
    _expect(list(await store.open_steps(record.id)) == [], "its steps are gone")
    _expect(len(await store.events(other.id)) == len(await store.open_steps(other.id)) == 1, "others keep theirs")
    again, created = await store.create(sample_record())
    _expect(created and list(await store.events(again.id)) == [], "the name is free, and begins anew")


# ---------------------------------------------------------------------------------- events and steps


async def check_events_count_without_gaps(store: Store) -> None:
    """Writers at the same time share one sequence per cluster: from 1, no gap, none twice, batches together."""
    record, _ = await store.create(sample_record())
    await store.create(sample_record("other"))
    await store.add_events("id-ann-other", [(NOW, EventKind.CREATED, None, "another sequence")])

    async def tell(writer: int) -> list[int]:
        new = [(NOW, EventKind.NOTE, f"worker-{writer}", f"{writer}.{number}") for number in range(3)]
        return [event.seq for event in await store.add_events(record.id, new)]

    told = await asyncio.gather(*(tell(writer) for writer in range(20)))
    events = await store.events(record.id)
    _expect([event.seq for event in events] == list(range(1, 61)), "the sequence has no gaps")
    for writer, seqs in enumerate(told):
        _expect(seqs == list(range(seqs[0], seqs[0] + 3)), "events written together stand together")
        messages = [events[seq - 1].message for seq in seqs]
        _expect(messages == [f"{writer}.{number}" for number in range(3)], "each number is the event's own")


async def check_events_are_read_in_pages(store: Store) -> None:
    """`after` and `limit` walk through all events, in order, each as it was told."""
    record, _ = await store.create(sample_record())
    _expect(list(await store.add_events(record.id, [])) == [], "no events are no error")
    await store.add_events(record.id, [(NOW, EventKind.NODE_EXITED, "worker-1", "exit 137: getötet ☠")])
    await store.add_events(record.id, [(NOW, EventKind.NOTE, None, str(number)) for number in range(2, 6)])
    first = (await store.events(record.id, limit=1))[0]
    _expect((first.seq, first.at, first.kind) == (1, NOW, EventKind.NODE_EXITED), "an event is as it was told")
    _expect((first.node, first.message) == ("worker-1", "exit 137: getötet ☠"), "with its node and words")
    page = await store.events(record.id, after=1, limit=2)
    _expect([event.message for event in page] == ["2", "3"], "a page begins after `after`")
    _expect(list(await store.events(record.id, after=5)) == [], "after the last there is nothing")
    await _raises(NotFound, store.add_events("gone", [(NOW, EventKind.NOTE, None, "too late")]))


async def check_steps_are_open_until_they_end(store: Store) -> None:
    """A step is open from its beginning to its first end, and no late end touches another step."""
    record, _ = await store.create(sample_record())
    one = await store.begin_step(record.id, 1, StepKind.SECRETS, "all", NOW)
    two = await store.begin_step(record.id, 2, StepKind.APPLY, "worker-1", NOW)
    _expect(list(await store.open_steps(record.id)) == [one, two], "both are open, oldest first")
    await store.end_step(one.id, NOW, "done")
    await store.end_step(one.id, NOW, "done again")
    _expect(list(await store.open_steps(record.id)) == [two], "an ended one is not open")
    await store.forget(record.id)
    await store.create(sample_record())
    new = await store.begin_step(record.id, 1, StepKind.REMOVE, "all", NOW)
    _expect(new.id not in {one.id, two.id}, "an id is never given again")
    await store.end_step(two.id, NOW, "late")
    _expect(list(await store.open_steps(record.id)) == [new], "a late end of a forgotten step ends nothing")
    await _raises(NotFound, store.begin_step("gone", 1, StepKind.APPLY, "all", NOW))


# -------------------------------------------------------------------------------------------- leases


async def check_a_lease_has_one_holder(store: Store) -> None:
    """Who holds it renews it; others wait until it runs out or is given back, and then get a greater token."""
    first = await store.acquire("engine", "a", NOW, 10)
    if first is None:
        raise AssertionError("a free lease can be taken")
    _expect(first.expires_at == NOW + timedelta(seconds=10), "it runs out when it should")
    _expect(await store.acquire("engine", "b", NOW + timedelta(seconds=9), 10) is None, "nobody else gets it")
    _expect(await store.acquire("other", "b", NOW, 10) is not None, "another name is another lease")
    renewed = await store.acquire("engine", "a", NOW + timedelta(seconds=9), 10)
    if renewed is None:
        raise AssertionError("the holder can renew it")
    _expect(renewed.token == first.token, "renewing keeps the token")
    second = await store.acquire("engine", "b", NOW + timedelta(seconds=19), 10)
    if second is None:
        raise AssertionError("one that ran out can be taken")
    _expect(second.token > first.token, "a new holder has a greater token")
    await store.release(renewed)
    _expect(
        await store.acquire("engine", "a", NOW + timedelta(seconds=20), 10) is None,
        "giving back what is lost takes nothing from the new holder",
    )
    await store.release(second)
    third = await store.acquire("engine", "a", NOW + timedelta(seconds=20), 10)
    if third is None:
        raise AssertionError("one that was given back can be taken")
    _expect(third.token > second.token, "tokens grow over a release, too")


async def check_one_of_many_gets_the_lease(store: Store) -> None:
    """Asked for at the same time, a lease goes to one."""
    got = await asyncio.gather(*(store.acquire("engine", f"holder-{n}", NOW, 10) for n in range(20)))
    _expect(sum(lease is not None for lease in got) == 1, "one of them got it")


async def check_a_former_holder_is_fenced_off(store: Store) -> None:
    """Who lost the lease cannot write a status any more; the new holder can."""
    record, _ = await store.create(sample_record())
    for _ in range(3):  # tokens of other leases do not count
        await store.acquire("other", "x", NOW, 0)
    old = await store.acquire("engine", "a", NOW, 10)
    await store.set_status(record.id, ClusterStatus(since=NOW, message="old"), fence=old)
    new = await store.acquire("engine", "b", NOW + timedelta(seconds=11), 10)
    if old is None or new is None:
        raise AssertionError("a free lease can be taken")
    await _raises(Conflict, store.set_status(record.id, ClusterStatus(since=NOW, message="late"), fence=old))
    _expect((await store.get(record.id)).status.message == "old", "what came late is not stored")
    await store.set_status(record.id, ClusterStatus(since=NOW, message="new"), fence=new)
    _expect((await store.get(record.id)).status.message == "new", "the new holder writes")


# ---------------------------------------------------------------------------------------- durability


async def check_everything_survives(store: Store, reopen: Reopen) -> None:
    """After closing and opening again everything is as it was left."""
    identity = await store.installation()
    record, _ = await store.create(sample_record(), idempotency_key="key")
    record = await store.replace(record.model_copy(update={"purge": True}), expected_generation=1)
    await store.set_status(record.id, ClusterStatus(phase=Phase.READY, since=NOW))
    events = await store.add_events(record.id, [(NOW, EventKind.READY, None, "ready")])
    step = await store.begin_step(record.id, 1, StepKind.APPLY, "all", NOW)
    lease = await store.acquire("engine", "a", NOW, 10)
    before = await store.get(record.id)

    again = await reopen(store)
    _expect(await again.installation() == identity, "the installation is the same, nothing is held")
    _expect(await again.get(record.id) == before, "the record is the same")
    _expect(list(await again.events(record.id)) == list(events), "so are its events")
    _expect(list(await again.open_steps(record.id)) == [step], "so are its open steps")
    _expect(await again.acquire("engine", "b", NOW, 10) is None, "leases last")
    _expect(lease is not None, "the lease was taken")
    repeated, created = await again.create(sample_record(cluster_id="new"), idempotency_key="key")
    _expect((repeated.id, created) == (record.id, False), "keys last")
    await again.close()


CHECKS: tuple[Check, ...] = (
    check_the_installation_keeps_its_id,
    check_a_working_store_passes_its_check,
    check_a_created_cluster_reads_back_the_same,
    check_a_second_create_returns_the_first,
    check_creates_at_once_make_one_cluster,
    check_a_key_names_one_wish,
    check_a_key_is_forgotten_after_a_day,
    check_owners_are_apart,
    check_clusters_are_listed_by_name,
    check_a_change_is_compared_and_set,
    check_one_of_many_changes_wins,
    check_status_and_wish_are_apart,
    check_forgetting_takes_everything,
    check_events_count_without_gaps,
    check_events_are_read_in_pages,
    check_steps_are_open_until_they_end,
    check_a_lease_has_one_holder,
    check_one_of_many_gets_the_lease,
    check_a_former_holder_is_fenced_off,
)
"""What holds for every store."""

DURABLE_CHECKS: tuple[DurableCheck, ...] = (check_everything_survives,)
"""What holds for stores whose records survive."""


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(f"The contract says: {what}.")


async def _raises(kind: type[FiresideError], call: Awaitable[object]) -> None:
    try:
        await call
    except kind:
        return
    raise AssertionError(f"The contract says: this raises {kind.__name__}.")
