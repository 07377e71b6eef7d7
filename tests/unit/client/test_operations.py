"""Both clients offer the operations of one table."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from fireside import wire
from fireside.client import operations
from fireside.client.aio import AsyncClient
from fireside.client.blocking import Client
from fireside.client.operations import Call, Stream
from fireside.errors import InvalidSpec

OPERATIONS = {
    name: operation
    for name, operation in vars(operations).items()
    if inspect.isfunction(operation) and operation.__annotations__.get("return", "").startswith(("Call[", "Stream["))
}


def test_the_table_is_not_empty() -> None:
    assert {"create", "wait", "logs", "connection"} <= set(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_both_clients_have_every_operation_with_its_signature(name: str) -> None:
    wanted = list(inspect.signature(OPERATIONS[name]).parameters.values())
    for kind in (Client, AsyncClient):
        method = getattr(kind, name)
        _, *parameters = inspect.signature(method).parameters.values()
        assert parameters == wanted, kind
        assert method.__doc__ == OPERATIONS[name].__doc__
        assert list(inspect.signature(getattr(kind(Path("/nowhere")), name)).parameters.values()) == wanted


def test_a_reference_cannot_leave_its_place_in_the_path() -> None:
    assert operations.get("a/../b?c#d").target == "/api/v1/clusters/a%2F..%2Fb%3Fc%23d"


@pytest.mark.parametrize("ref", ["", ".", ".."])
def test_a_reference_that_is_no_name_is_refused_here(ref: str) -> None:
    with pytest.raises(InvalidSpec):
        operations.get(ref)


def test_what_is_not_given_is_not_sent() -> None:
    assert operations.logs("a", tail=0).target == "/api/v1/clusters/a/logs?follow=false&tail=0"


@pytest.mark.parametrize("workers", [0, -1, 10_000])
def test_an_impossible_number_of_workers_is_refused_here(workers: int) -> None:
    with pytest.raises(InvalidSpec) as caught:
        operations.scale("a", workers)
    assert caught.value.field == "workers"
    assert caught.value.found == str(workers)


@pytest.mark.parametrize("value", [Path("/x"), float("nan"), "\ud800", object()])
def test_a_spec_that_json_cannot_carry_is_refused_here(value: object) -> None:
    with pytest.raises(InvalidSpec, match=r"^spec: "):
        operations.create({"workspace": value})


def test_a_wait_gives_its_answer_time_to_come() -> None:
    call = operations.wait("a", 100)
    assert call.query == {"timeout": 100}
    assert call.patience > 100
    assert operations.wait("a", 10**9).query == {"timeout": wire.MAX_WAIT}


def test_calls_and_streams_are_values() -> None:
    assert operations.get("a") == Call("GET", "/clusters/a", wire.ClusterView)
    assert operations.events("a") == Stream("/clusters/a/events", wire.EventView, {"after": 0, "follow": False})
