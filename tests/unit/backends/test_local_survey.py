"""What a plan needs of this machine, found before anything is made."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from fireside.backends.local import LocalBackend, machine
from fireside.errors import MissingPart, Unsupported
from fireside.model.findings import Severity
from fireside.model.plan import Plan
from fireside.model.spec import ClusterSpec
from fireside.settings import Settings

Usage = namedtuple("Usage", "total used free")


def spec(**spark: object) -> ClusterSpec:
    return ClusterSpec.model_validate({"spark": spark})


async def test_a_survey_says_what_there_is(backend: LocalBackend) -> None:
    # VER-01
    room = await backend.survey(spec())
    assert room.cores >= 1
    assert room.memory > 256
    assert (room.spark or "").count(".") == 2
    assert (room.python or "").count(".") == 1
    assert room.javas


async def test_a_version_that_does_not_exist_is_refused_with_the_nearest(backend: LocalBackend) -> None:
    with pytest.raises(Unsupported, match="the nearest is"):
        await backend.survey(spec(version="9.9.9"))


async def test_a_version_that_is_not_here_is_refused_with_the_ways_to_have_it(backend: LocalBackend) -> None:
    with pytest.raises(Unsupported) as caught:
        await backend.survey(spec(version="4.0.1"))
    assert "pip install 'pyspark[connect]==4.0.1'" in (caught.value.hint or "")
    assert "spark.python" in (caught.value.hint or "")


async def test_an_interpreter_that_is_none_is_named(backend: LocalBackend) -> None:
    with pytest.raises(MissingPart, match="/nowhere/python"):
        await backend.survey(spec(python="/nowhere/python"))


async def test_a_java_home_that_does_not_fit_is_noted(settings: Settings) -> None:
    backend = LocalBackend(settings, "i", environment={"JAVA_HOME": "/nowhere/java"})
    assert "JAVA_HOME=/nowhere/java is no Java" in (await backend.survey(spec())).notes[0]


async def test_nothing_is_found_wrong_with_a_plain_plan(backend: LocalBackend, plan_of: Callable[..., Plan]) -> None:
    assert [each for each in await backend.preflight("c1", plan_of()) if each.severity is Severity.ERROR] == []


async def test_each_thing_that_would_fail_is_found_with_its_field(
    backend: LocalBackend, plan_of: Callable[..., Plan], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    plan = plan_of().model_copy(
        update={
            "workspace": str(tmp_path / "file" / "workspace"),
            "jars": (str(tmp_path / "missing.jar"), "https://example.org/there.jar", f"file://{tmp_path}/file"),
            "packages": ("delta-spark", "io.delta:delta-spark_2.13:4.0.0"),
            "requirements": ("polars==1.12.0", "--index-url=http://x"),
        }
    )
    errors = [each for each in await backend.preflight("c1", plan) if each.severity is Severity.ERROR]
    assert [(each.field, each.found) for each in errors] == [
        ("workspace", str(tmp_path / "file" / "workspace")),
        ("spark.jars", str(tmp_path / "missing.jar")),
        ("spark.packages", "delta-spark"),
        ("spark.requirements", "--index-url=http://x"),
    ]
    assert all(each.hint for each in errors)


@pytest.mark.parametrize(("mib", "severity"), [(100, Severity.ERROR), (1000, Severity.WARNING)])
async def test_little_room_on_the_disk_is_said_with_the_number(
    backend: LocalBackend,
    plan_of: Callable[..., Plan],
    monkeypatch: pytest.MonkeyPatch,
    mib: int,
    severity: Severity,
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, mib * 1024**2))
    (finding,) = [each for each in await backend.preflight("c1", plan_of()) if "disk" in each.message]
    assert finding.severity is severity
    assert f"{mib} MiB left" in finding.message


async def test_more_memory_than_is_free_is_a_warning(
    backend: LocalBackend, plan_of: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "measure", lambda: machine.Machine(8, 64_000, 100))
    (finding,) = await backend.preflight("c1", plan_of())
    assert finding.severity is Severity.WARNING
    assert "100 MiB are free now" in finding.message
