"""How records look on the wire: pure functions from the engine's values to the forms of ``fireside.wire``."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from fireside import wire
from fireside.engine.service import Access, HealthReport, Proposal
from fireside.model import sizing
from fireside.model.findings import Finding, Severity
from fireside.model.plan import Plan
from fireside.model.quantity import show_memory
from fireside.model.spec import json_schema
from fireside.model.state import ClusterStatus, Desired, NodePhase, NodeStatus, Phase, Role
from fireside.ports import Address, ClusterRecord, Event, LogLine
from fireside.render.driver import driver_conf, driver_environment


def cluster(record: ClusterRecord) -> wire.ClusterView:
    """Return a cluster as its owner sees it."""
    status, plan = record.status, record.plan
    workers = plan.group(Role.WORKER)
    ready = [node for node in status.nodes.values() if node.role is Role.WORKER and node.phase is NodePhase.READY]
    return wire.ClusterView(
        id=record.id,
        name=record.name,
        owner=record.owner,
        backend=record.backend,
        topology=plan.topology.value,
        spark=plan.spark,
        desired=record.desired.value,
        phase=status.phase.value,
        reason=status.reason,
        message=status.message,
        hint=_hint(record),
        since=status.since,
        created_at=record.created_at,
        generation=record.generation,
        observed_generation=status.observed_generation,
        ready_timeout=record.spec.timeouts.ready,
        workers_ready=len(ready),
        workers_wanted=workers.count if workers else 0,
        links=_links(status),
        nodes=_nodes(plan, status, record.desired),
    )


def _hint(record: ClusterRecord) -> str | None:
    match record.status.phase:
        case Phase.FAILED:
            return f"fireside logs {record.name}; then: fireside restart {record.name}"
        case Phase.STOPPED:
            return f"fireside up {record.name}"
        case _:
            return None


def _nodes(plan: Plan, status: ClusterStatus, desired: Desired) -> list[wire.NodeView]:
    planned = {node.name: node.role for node in plan.nodes()}
    leaving = {name: node.role for name, node in status.nodes.items() if name not in planned}
    absent = NodePhase.WAITING if desired is Desired.RUNNING else NodePhase.STOPPED
    return [
        _node(name, plan, status.nodes.get(name) or NodeStatus(role=role, phase=absent))
        for name, role in (planned | leaving).items()
    ]


def _node(name: str, plan: Plan, status: NodeStatus) -> wire.NodeView:
    group = plan.group(status.role)
    return wire.NodeView(
        name=name,
        role=status.role.value,
        phase=status.phase.value,
        message=status.message,
        restarts=status.restarts,
        cores=group.cores if group else 0,
        memory=show_memory(group.budget.limit) if group else "0m",
        addresses=dict(status.addresses),
        ready_since=status.ready_since,
    )


def _links(status: ClusterStatus) -> dict[str, str]:
    """Return the web pages of nodes that run. The Connect server's page is that of the application."""
    return {
        "application" if node.role is Role.CONNECT else name: f"http://{node.addresses['ui']}"
        for name, node in status.nodes.items()
        if "ui" in node.addresses and node.phase in {NodePhase.READY, NodePhase.DRAINING}
    }


def proposal(found: Proposal) -> wire.ProposalView:
    """Return what a spec would mean."""
    return wire.ProposalView(
        spec=found.spec.model_dump(mode="json"),
        sums=sums(found.plan),
        total_memory=sizing.total(found.plan),
        room_memory=found.room.memory,
        notes=list(dict.fromkeys((*found.room.notes, *found.notes))),
        warnings=[finding(each) for each in found.findings if each.severity is Severity.WARNING],
        conf={group.role.value: dict(group.conf) for group in found.plan.groups},
        change=wire.ChangeView(
            action=found.action, live=list(found.live), restarts=list(found.restarts), fields=dict(found.fields)
        ),
        generation=found.current.generation if found.current else None,
    )


def sums(plan: Plan) -> list[wire.Sum]:
    """Return the memory sum of each role's nodes."""
    return [wire.Sum(**asdict(each)) for each in sizing.sums(plan)]


def finding(found: Finding) -> wire.Problem:
    """Return a finding in the shape of an error; its code is its severity."""
    return wire.Problem(
        code=found.severity.value,
        message=found.message,
        field=found.field,
        found=found.found,
        allowed=found.allowed,
        hint=found.hint,
    )


def event(found: Event) -> wire.EventView:
    """Return an event."""
    return wire.EventView(seq=found.seq, at=found.at, kind=found.kind.value, message=found.message, node=found.node)


def log_line(found: LogLine) -> wire.LogView:
    """Return a log line."""
    return wire.LogView(node=found.node, source=found.source, text=found.text)


def connection(access: Access) -> wire.Connection:
    """Return how to reach a cluster, secrets included.

    A client with a token insists on TLS unless the host is literally `localhost`, so that is what a loopback address
    becomes.
    """
    plan = access.record.plan
    remote = f"sc://{_spoken(access.connect)}" if access.connect else None
    master = f"spark://{access.master}" if access.master else None
    known = {"SPARK_REMOTE": remote, "PYSPARK_PYTHON": plan.python}
    return wire.Connection(
        name=access.record.name,
        spark=plan.spark,
        remote=remote,
        token=access.token.get_secret_value() if access.token else None,
        master=master,
        rpc_secret=access.rpc_secret.get_secret_value() if access.rpc_secret else None,
        workspace=access.workspace,
        python=plan.python,
        conf=driver_conf(plan, access.master, access.workspace) if access.master else {},
        environment={
            **{key: value for key, value in known.items() if value},
            **access.environment,
            **(driver_environment(access.master) if access.master else {}),
        },
    )


def _spoken(address: Address) -> str:
    try:
        loopback = ipaddress.ip_address(address.host).is_loopback
    except ValueError:
        loopback = False
    return f"{'localhost' if loopback else address.host}:{address.port}"


def health(report: HealthReport) -> wire.Health:
    """Return how the server is."""
    fine = all(state == "ok" for state in report.dependencies.values())
    return wire.Health(
        status="ok" if fine else "degraded",
        dependencies=dict(report.dependencies),
        sweep_held=report.sweep_held,
        orphans=list(report.orphans),
    )


def removal(name: str, data: Sequence[tuple[str, int]]) -> wire.Removal:
    """Return what a delete takes away."""
    return wire.Removal(name=name, data=dict(data))


def schema() -> Mapping[str, Any]:
    """Return the JSON Schema of a spec as it is written, short forms included."""
    return json_schema()
