"""Drivers of the owner's own: what they set to use a cluster's master."""

from __future__ import annotations

from typing import Any

import pytest

from fireside.errors import Unsupported
from fireside.model import conf
from fireside.model.plan import Budget, Group, Plan, Probe
from fireside.model.spec import ClusterSpec
from fireside.model.state import Role, Topology
from fireside.ports import Address
from fireside.render.confdir import conf_files
from fireside.render.driver import driver_conf, driver_environment

LOOPBACK = Address("127.0.0.1", 7077)


def plan(**fields: Any) -> Plan:
    spec = ClusterSpec.model_validate(fields)
    role, probe = (Role.CONNECT, Probe.HANDSHAKE) if spec.topology is Topology.SINGLE else (Role.MASTER, Probe.MASTER)
    group = Group(role=role, count=1, cores=1, budget=Budget(limit=512, parts=()), heap=256, probe=probe)
    return Plan(topology=spec.topology, backend="local", spark="4.3.0", groups=(group,), driver=conf.driver_conf(spec))


def test_one_finds_the_master_and_asks_for_the_plans_executors() -> None:  # STD-14, STD-19
    found = driver_conf(plan(executors={"cores": 1, "memory": "1g"}), LOOPBACK, "/shared")
    assert found["spark.master"] == "spark://127.0.0.1:7077"
    assert found["spark.authenticate"] == "true"
    assert (found["spark.executor.cores"], found["spark.executor.memory"]) == ("1", "1g")
    assert "spark.authenticate.secret" not in found


def test_it_needs_no_connect_server() -> None:
    assert driver_conf(plan(connect=False), LOOPBACK, "/shared")["spark.master"]


def test_its_tables_lie_in_the_workspace_with_a_catalog_in_memory() -> None:
    found = driver_conf(plan(), LOOPBACK, "/shared")
    assert found["spark.sql.catalogImplementation"] == "in-memory"
    assert found["spark.sql.warehouse.dir"] == "/shared/spark-warehouse"


def test_it_looks_for_a_free_port_for_its_page() -> None:
    assert not {"spark.port.maxRetries", "spark.ui.port"} & driver_conf(plan(), LOOPBACK, "/shared").keys()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_it_stays_on_loopback_when_its_cluster_is_there(host: str) -> None:
    found = driver_conf(plan(), Address(host, 7077), "/shared")
    assert found["spark.driver.host"] == found["spark.driver.bindAddress"] == host
    assert set(driver_environment(Address(host, 7077)).values()) == {host}


@pytest.mark.parametrize("host", ["spark-master", "10.0.0.3"])
def test_it_is_left_to_find_its_address_when_the_cluster_is_elsewhere(host: str) -> None:
    assert "spark.driver.host" not in driver_conf(plan(), Address(host, 7077), "/shared")
    assert driver_environment(Address(host, 7077)) == {}


def test_a_cluster_without_a_master_says_so_and_what_to_do() -> None:
    with pytest.raises(Unsupported, match="no master") as error:
        driver_conf(plan(topology="single"), LOOPBACK, "/shared")
    assert error.value.hint


def test_a_configuration_directory_is_for_its_owner_alone_and_shows_no_secret() -> None:  # SEC-03, SEC-04
    files = conf_files("/conf", {"spark.authenticate.secret": "hunter2"})
    assert {file.mode for file in files} == {0o600}
    assert {file.path for file in files} == {"/conf/spark-defaults.conf", "/conf/log4j2.properties"}
    assert "hunter2" not in repr(files)
