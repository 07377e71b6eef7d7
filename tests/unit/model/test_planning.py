"""A fitted spec as groups of nodes (STD-05, STD-06, STD-14)."""

from __future__ import annotations

from typing import Any

import pytest

from fireside.errors import InternalError, Unsupported
from fireside.model import planning, quantity
from fireside.model.defaults import fit
from fireside.model.plan import Group, Plan, Probe, SecretName
from fireside.model.sizing import Room
from fireside.model.spec import ClusterSpec, validate
from fireside.model.state import Role

_ROOM = Room(8, 32 * 1024, spark="4.3.0")


def _plan(asked: dict[str, Any], room: Room = _ROOM) -> Plan:
    return planning.build(fit(validate(asked), room).spec)


def _group(plan: Plan, role: Role) -> Group:
    group = plan.group(role)
    assert group is not None
    return group


def test_standalone_is_a_master_workers_and_a_connect_server() -> None:
    plan = _plan({"workers": 3})
    assert [node.name for node in plan.nodes()] == ["master", "worker-1", "worker-2", "worker-3", "connect"]
    assert plan.secrets == (SecretName.RPC, SecretName.CONNECT_TOKEN)


def test_workers_and_the_driver_wait_for_the_master_alone() -> None:
    plan = _plan({})
    assert _group(plan, Role.MASTER).after == ()
    assert _group(plan, Role.WORKER).after == (Role.MASTER,)
    assert _group(plan, Role.CONNECT).after == (Role.MASTER,)


def test_each_role_proves_that_it_can_be_used_in_its_own_way() -> None:
    probes = {group.role: group.probe for group in _plan({}).groups}
    assert probes == {Role.MASTER: Probe.MASTER, Role.WORKER: Probe.REGISTERED, Role.CONNECT: Probe.HANDSHAKE}


def test_the_usual_ports_are_preferred_unless_others_are_asked_for() -> None:
    """STD-05."""
    ports = {group.role: {port.name: port.preferred for port in group.ports} for group in _plan({}).groups}
    assert ports[Role.MASTER] == {"rpc": 7077, "ui": 8080}
    assert ports[Role.WORKER]["ui"] == 8081
    assert ports[Role.CONNECT] == {"grpc": 15002, "ui": 4040}
    moved = _plan({"connect": {"conf": {"spark.connect.grpc.binding.port": 15099}}})
    assert {port.name: port.preferred for port in _group(moved, Role.CONNECT).ports}["grpc"] == 15099


def test_a_worker_offers_exactly_what_the_spec_says() -> None:
    """STD-06."""
    offer = _group(_plan({"workers": {"cores": 2, "spark_memory": "1000m"}}), Role.WORKER).offer
    assert offer is not None
    assert (offer.cores, offer.memory) == (2, 1000)


def test_the_size_of_executors_reaches_every_driver() -> None:
    """STD-14."""
    plan = _plan({"workers": {"cores": 2, "memory": "6g"}, "executors": {"cores": 1, "memory": "2g"}})
    assert plan.executor is not None
    assert (plan.executor.cores, plan.executor.memory, plan.executor.per_worker) == (1, 2048, 2)
    for conf in (_group(plan, Role.CONNECT).conf, plan.driver):
        assert conf["spark.executor.cores"] == "1"
        assert quantity.memory(conf["spark.executor.memory"]) == 2048


def test_the_drivers_heap_follows_from_its_own_size() -> None:
    """W-31: not from the master's."""
    plan = _plan({"connect": {"memory": "3g"}, "master": {"memory": "512m"}})
    assert _group(plan, Role.CONNECT).heap == 3072 - 384
    assert _group(plan, Role.MASTER).heap == 512 - 176


def test_single_is_one_connect_server_with_a_token_and_no_rpc_secret() -> None:
    plan = _plan({"topology": "single", "connect": {"cores": 3, "memory": "2g"}})
    (group,) = plan.groups
    assert (group.role, group.count, group.cores, group.after) == (Role.CONNECT, 1, 3, ())
    assert plan.secrets == (SecretName.CONNECT_TOKEN,)
    assert plan.executor is None
    assert "spark.executor.memory" not in group.conf


def test_without_connect_the_driver_is_the_owners() -> None:
    plan = _plan({"connect": False})
    assert plan.group(Role.CONNECT) is None
    assert plan.secrets == (SecretName.RPC,)
    assert "spark.executor.memory" in plan.driver


def test_a_plan_survives_being_stored() -> None:
    plan = _plan({"workers": {"conf": {"spark.worker.cleanup.interval": 60}}})
    again = Plan.model_validate_json(plan.model_dump_json())
    assert again == plan
    assert [again.digest(role) for role in Role] == [plan.digest(role) for role in Role]


def test_a_spec_that_was_not_fitted_is_a_bug_of_ours() -> None:
    with pytest.raises(InternalError, match="not fitted"):
        planning.build(ClusterSpec())


def test_what_spark_3_cannot_serve_is_not_planned() -> None:
    spec = fit(ClusterSpec(), _ROOM).spec
    old = spec.model_copy(update={"spark": spec.spark.model_copy(update={"version": "3.5.9"})})
    with pytest.raises(Unsupported, match=r"4\.0\.5"):
        planning.build(old)
