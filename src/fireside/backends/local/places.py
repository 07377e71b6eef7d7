"""Where a plan runs: its Spark, Java, Python and directories, found when something has to be started."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fireside.backends.local import files, java, machine
from fireside.backends.local.layout import ClusterFiles, Layout
from fireside.backends.local.requirements import Environments
from fireside.backends.local.runtime import Runtime, Runtimes, check_spark
from fireside.errors import InternalError
from fireside.model import versions
from fireside.model.plan import Plan
from fireside.model.sizing import Room
from fireside.model.spec import ClusterSpec


@dataclass(frozen=True, slots=True)
class Place:
    """What all nodes of a cluster share on this machine."""

    java_home: Path
    java_major: int
    spark_home: Path
    python: Path
    workspace: Path


class Places:
    """Finds places; asks an interpreter only once for the same answer."""

    def __init__(self, layout: Layout, environment: Mapping[str, str]) -> None:
        self._layout = layout
        self._environment = environment
        self._runtimes = Runtimes()
        self._environments = Environments(layout.python)

    async def survey(self, spec: ClusterSpec) -> Room:
        """Return where nodes of `spec` would run. Raises MissingPart or Unsupported when they cannot."""
        return await asyncio.to_thread(self._survey, spec)

    async def runtime(self, plan: Plan) -> Runtime:
        """Return the interpreter of a plan. Raises MissingPart or Unsupported."""
        return await asyncio.to_thread(self._runtimes.of, plan.python)

    async def place(self, plan: Plan, cluster: ClusterFiles) -> Place:
        """Return where `plan` runs; makes what is missing. Raises MissingPart, Unsupported or Refused."""
        runtime, chosen = await asyncio.to_thread(self._choose, plan.python, plan.spark)
        python = await self._environments.python_for(runtime, plan.requirements)
        return await asyncio.to_thread(self._furnish, plan, cluster, runtime, chosen.java, python)

    def _survey(self, spec: ClusterSpec) -> Room:
        runtime, chosen = self._choose(spec.spark.python, spec.spark.version)
        size = machine.measure()
        return Room(
            cores=size.cores,
            memory=size.memory,
            spark=runtime.spark,
            python=runtime.python_minor,
            javas=tuple(found.version for found in chosen.found),
            notes=(*chosen.notes, *size.notes(), *_client_note(spec, runtime)),
        )

    def _choose(self, interpreter: str | None, wanted: str | None) -> tuple[Runtime, java.Choice]:
        runtime = self._runtimes.of(interpreter)
        if wanted not in {None, runtime.spark}:
            versions.release(wanted or "")  # names the nearest one when there is none such
        release = versions.release(check_spark(runtime, wanted), installed=True)
        versions.check_python(release, runtime.python)
        return runtime, java.choose(release, self._environment, runtime.bundled_java)

    def _furnish(self, plan: Plan, cluster: ClusterFiles, runtime: Runtime, chosen: java.Java, python: Path) -> Place:
        if runtime.spark_home is None:
            raise InternalError(f"{runtime.interpreter} has a Spark without a home")
        workspace = workspace_of(plan, cluster)
        files.make_directory(workspace)
        files.make_directory(cluster.data)
        return Place(java.home_for(chosen, self._layout.java), chosen.major, runtime.spark_home, python, workspace)


def workspace_of(plan: Plan, cluster: ClusterFiles) -> Path:
    """Return the directory that every node and the driver share."""
    return cluster.workspace if plan.workspace is None else Path(plan.workspace)


def _client_note(spec: ClusterSpec, runtime: Runtime) -> tuple[str, ...]:
    if runtime.connect or not spec.connect.enabled:
        return ()
    line = f"{runtime.interpreter} -m pip install 'pyspark[connect]=={runtime.spark}'"
    return (f"{runtime.interpreter} has no Spark Connect client; to use the cluster from there: {line}",)
