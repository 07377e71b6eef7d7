"""A driver of the owner's own (`fireside run --classic`): what it sets to use a cluster's master.

It runs as its owner's program, wherever that is, so nothing here depends on where the cluster's nodes lie.
"""

from __future__ import annotations

import ipaddress

from fireside.errors import Unsupported
from fireside.model.plan import Plan
from fireside.model.state import Role, Topology
from fireside.ports import Address


def driver_conf(plan: Plan, master: Address, workspace: str) -> dict[str, str]:
    """Return the Spark configuration of such a driver, without the RPC secret (`spark.authenticate.secret`).

    Its catalog lives in memory, because the database of the cluster's catalog admits one process, the Connect server.
    Its tables lie in the workspace, which every node sees, and not in the cluster's warehouse: there they would stand
    in the way of tables of the same name.

    Raises Unsupported when the plan has no master that would take it.
    """
    if plan.group(Role.MASTER) is None:
        raise Unsupported(
            f"a cluster of topology {plan.topology.value} has no master that a driver of your own could use",
            field="topology",
            found=plan.topology.value,
            allowed=Topology.STANDALONE.value,
            hint="connect to its Connect server, or make it `topology: standalone`",
        )
    placed = {"spark.sql.warehouse.dir": f"{workspace}/spark-warehouse"}
    owned = {"spark.master": f"spark://{master}", "spark.authenticate": "true", **dependencies(plan)}
    if _is_loopback(master.host):
        # Executors are on this machine, too, and Spark's guess would be an address that others can reach.
        owned |= {"spark.driver.host": master.host, "spark.driver.bindAddress": master.host}
    return {**placed, **plan.driver, **owned}


def driver_environment(master: Address) -> dict[str, str]:
    """Return the variables that keep such a driver on the loopback address, where its cluster is on one."""
    if not _is_loopback(master.host):
        return {}
    return {"SPARK_LOCAL_IP": master.host, "SPARK_LOCAL_HOSTNAME": master.host, "SPARK_PUBLIC_DNS": master.host}


def dependencies(plan: Plan) -> dict[str, str]:
    """Return what makes a driver load the plan's jars and packages, and send them to its executors."""
    lists = {"spark.jars": plan.jars, "spark.jars.packages": plan.packages}
    return {key: ",".join(items) for key, items in lists.items() if items}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
