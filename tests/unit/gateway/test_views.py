"""How records look on the wire."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import SecretStr

from fireside.engine.service import Access, HealthReport, Proposal
from fireside.gateway import views
from fireside.model.defaults import fit
from fireside.model.findings import Finding, Severity
from fireside.model.planning import build
from fireside.model.sizing import Room
from fireside.model.spec import ClusterSpec
from fireside.model.state import ClusterStatus, Desired, NodePhase, NodeStatus, Phase, Role
from fireside.ports import Address, ClusterRecord

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROOM = Room(cores=8, memory=16_000, spark="4.3.0", python="3.11", javas=("17.0.1",), notes=("room",))


def record(
    phase: Phase = Phase.READY, desired: Desired = Desired.RUNNING, nodes: dict[str, NodeStatus] | None = None
) -> ClusterRecord:
    spec = fit(ClusterSpec.model_validate({"name": "etl", "workers": 2}), ROOM).spec
    return ClusterRecord(
        id="abc",
        owner="me",
        name="etl",
        backend="local",
        spec=spec,
        asked={"workers": 2},
        plan=build(spec),
        desired=desired,
        status=ClusterStatus(phase=phase, since=NOW, nodes=nodes or {}),
        created_at=NOW,
        changed_at=NOW,
    )


def node(role: Role, phase: NodePhase, **addresses: str) -> NodeStatus:
    return NodeStatus(role=role, phase=phase, addresses=addresses)


def test_workers_that_are_ready_are_counted_against_those_wanted() -> None:
    # W-08: two of four workers are not "ready".
    view = views.cluster(
        record(
            nodes={
                "worker-1": node(Role.WORKER, NodePhase.READY),
                "worker-2": node(Role.WORKER, NodePhase.STARTING),
                "connect": node(Role.CONNECT, NodePhase.READY),
            }
        )
    )
    assert (view.workers_ready, view.workers_wanted) == (1, 2)


def test_every_planned_node_is_shown_and_those_that_leave() -> None:
    view = views.cluster(record(nodes={"worker-3": node(Role.WORKER, NodePhase.DRAINING)}))
    assert [(each.name, each.phase) for each in view.nodes] == [
        ("master", "waiting"),
        ("worker-1", "waiting"),
        ("worker-2", "waiting"),
        ("connect", "waiting"),
        ("worker-3", "draining"),
    ]
    assert all(each.cores and each.memory != "0m" for each in view.nodes)


def test_nodes_of_a_stopped_cluster_are_stopped() -> None:
    view = views.cluster(record(phase=Phase.STOPPED, desired=Desired.STOPPED))
    assert {each.phase for each in view.nodes} == {"stopped"}
    assert view.hint == "fireside up etl"


def test_a_failed_cluster_says_what_helps() -> None:
    assert "fireside logs etl" in (views.cluster(record(phase=Phase.FAILED)).hint or "")


def test_links_lead_to_pages_that_answer() -> None:
    view = views.cluster(
        record(
            nodes={
                "master": node(Role.MASTER, NodePhase.READY, rpc="127.0.0.1:7077", ui="127.0.0.1:8080"),
                "connect": node(Role.CONNECT, NodePhase.READY, ui="127.0.0.1:4040"),
                "worker-1": node(Role.WORKER, NodePhase.STARTING, ui="127.0.0.1:8081"),
            }
        )
    )
    assert view.links == {"master": "http://127.0.0.1:8080", "application": "http://127.0.0.1:4040"}


def access(connect: Address | None = None, master: Address | None = None) -> Access:
    return Access(
        record=record(),
        connect=connect,
        master=master,
        token=SecretStr("t0ken"),
        rpc_secret=SecretStr("s3cret"),
        workspace="/w",
        environment={"JAVA_HOME": "/java"},
    )


def test_a_loopback_address_is_spoken_as_localhost() -> None:
    # A client with a token insists on TLS unless the host is literally `localhost`.
    for host in ("127.0.0.1", "127.0.0.5", "::1", "localhost"):
        assert views.connection(access(Address(host, 15002))).remote == "sc://localhost:15002"
    assert views.connection(access(Address("10.0.0.1", 15002))).remote == "sc://10.0.0.1:15002"


def test_secrets_are_told_and_never_shown() -> None:
    # W-28, SEC-04: not in the address, not in variables, not in a repr.
    found = views.connection(access(Address("127.0.0.1", 15002), Address("127.0.0.1", 7077)))
    assert (found.token, found.rpc_secret) == ("t0ken", "s3cret")
    assert found.master == "spark://127.0.0.1:7077"
    open_parts = found.model_dump(exclude={"token", "rpc_secret"})
    assert "t0ken" not in f"{found!r} {open_parts}"
    assert "s3cret" not in f"{found!r} {open_parts}"


def test_a_driver_of_the_owners_own_is_told_master_address_and_java() -> None:
    found = views.connection(access(master=Address("127.0.0.1", 7077)))
    assert found.conf["spark.master"] == "spark://127.0.0.1:7077"
    assert found.conf["spark.driver.host"] == "127.0.0.1"
    assert found.environment["JAVA_HOME"] == "/java"
    assert found.environment["SPARK_LOCAL_IP"] == "127.0.0.1"


def test_without_a_master_there_is_nothing_for_a_driver() -> None:
    assert views.connection(access(Address("127.0.0.1", 15002))).conf == {}


def test_a_proposal_tells_the_sum_and_the_warnings() -> None:
    known = record()
    found = views.proposal(
        Proposal(
            spec=known.spec,
            plan=known.plan,
            room=ROOM,
            notes=("room", "spec"),
            findings=(Finding(Severity.WARNING, "odd", field="workers"),),
            current=known,
            action="change",
            live=("workers 2 → 3",),
            restarts=(),
            fields={"workers.count": (2, 3)},
        )
    )
    for each in found.sums:
        assert sum(each.parts.values()) == each.limit
    assert found.total_memory == sum(each.limit * each.count for each in found.sums) <= found.room_memory
    assert found.notes == ["room", "spec"]
    assert [(each.code, each.field) for each in found.warnings] == [("warning", "workers")]
    assert found.change.fields == {"workers.count": (2, 3)}
    assert found.generation == known.generation


def test_health_is_degraded_by_any_dependency() -> None:
    assert views.health(HealthReport({"store": "ok", "local": "ok"}, None, ())).status == "ok"
    report = HealthReport({"store": "ok", "local": "no Java"}, "the store is new", ("x",))
    assert views.health(report).status == "degraded"


def test_the_schema_knows_the_short_forms_that_a_spec_may_have() -> None:
    # The same document as `fireside schema`: an editor must not refuse `workers: 2`.
    workers = views.schema()["properties"]["workers"]
    assert {"type": "integer", "minimum": 1, "maximum": 1000} in workers["anyOf"]
