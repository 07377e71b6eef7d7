"""Every store keeps the contract: the fake that other tests rely on, and the real one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fireside.errors import Refused
from fireside.ports import Store
from fireside.stores.sql import SqlStore
from fireside.testing.memory_store import MemoryStore
from fireside.testing.store_contract import CHECKS, DURABLE_CHECKS, Check, DurableCheck, sample_record


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else await SqlStore.open(tmp_path / "fireside.db")
    yield made
    await made.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_every_store_keeps_the_contract(check: Check, store: Store) -> None:
    await check(store)


@pytest.mark.parametrize("check", DURABLE_CHECKS, ids=lambda check: check.__name__)
async def test_what_a_durable_store_acknowledged_is_there_when_it_is_opened_again(
    check: DurableCheck, tmp_path: Path
) -> None:
    path = tmp_path / "fireside.db"

    async def reopen(store: Store) -> Store:
        await store.close()
        return await SqlStore.open(path)

    await check(await SqlStore.open(path), reopen)


async def test_a_broken_fake_raises_what_it_was_given_until_it_is_mended() -> None:
    store = MemoryStore()
    store.broken = Refused("no room")
    with pytest.raises(Refused, match="no room"):
        await store.check()
    with pytest.raises(Refused, match="no room"):
        await store.create(sample_record())
    store.broken = None
    assert list(await store.list_clusters()) == []


def test_every_check_is_listed() -> None:
    from fireside.testing import store_contract

    listed = {check.__name__ for check in (*CHECKS, *DURABLE_CHECKS)}
    assert listed == {name for name in vars(store_contract) if name.startswith("check_")}
