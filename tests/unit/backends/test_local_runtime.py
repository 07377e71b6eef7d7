"""Interpreters, their Spark, and environments for requirements."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from fireside.backends.local import runtime as module
from fireside.backends.local.requirements import Environments
from fireside.backends.local.runtime import Runtime, Runtimes, check_spark
from fireside.errors import MissingPart, Unsupported

OWN = Runtime(Path("/env/bin/python"), "3.11.7", Path("/env/lib"), "4.3.0", Path("/env/pyspark"), None, True, True)


def test_this_interpreter_is_asked_once_until_something_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    runtimes = Runtimes()
    found = runtimes.of(None)
    assert found.python == ".".join(str(part) for part in sys.version_info[:3])
    assert found.python_minor == f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert found.spark_home is not None
    assert (found.spark_home / "jars").is_dir()
    monkeypatch.setattr(module, "ask", lambda interpreter: OWN)
    assert runtimes.of(None) is found
    monkeypatch.setattr(module, "_changed", lambda directory: 1)
    assert runtimes.of(None) is OWN


@pytest.mark.parametrize("interpreter", ["/nowhere/python", "/bin/false", "/bin/true", "/etc/passwd"])
def test_what_is_no_interpreter_is_named(interpreter: str) -> None:
    with pytest.raises(MissingPart) as caught:
        Runtimes().of(interpreter)
    assert interpreter in caught.value.message
    assert caught.value.field == "spark.python"


def test_an_interpreter_without_spark_gets_the_line_that_installs_it(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    bare = Runtimes().of(str(tmp_path / "bare" / "bin" / "python"))
    with pytest.raises(MissingPart) as caught:
        check_spark(bare, None)
    assert caught.value.hint == (
        f"{bare.interpreter} -m pip install 'fireside[local]', or set spark.python to an interpreter that has pyspark"
    )


def test_another_version_is_refused_with_the_two_ways_to_have_it() -> None:
    # VER-02
    assert check_spark(OWN, None) == check_spark(OWN, "4.3.0") == "4.3.0"
    with pytest.raises(Unsupported) as caught:
        check_spark(OWN, "4.0.1")
    assert (caught.value.found, caught.value.allowed) == ("4.0.1", "4.3.0")
    assert caught.value.hint == (
        "either /env/bin/python -m pip install 'pyspark[connect]==4.0.1', "
        "or set spark.python to an interpreter that has pyspark 4.0.1"
    )


def wheel(directory: Path, name: str) -> Path:
    path = directory / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", "value = 7\n")
        archive.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(
            f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{name}-1.0.dist-info/RECORD", "")
    return path


async def test_requirements_are_installed_beside_what_the_interpreter_has(tmp_path: Path) -> None:
    own = Runtimes().of(None)
    environments = Environments(tmp_path / "python")
    assert await environments.python_for(own, ()) == own.interpreter
    wanted = [f"tiny @ {wheel(tmp_path, 'tiny').as_uri()}"]
    python, again = await asyncio.gather(*(environments.python_for(own, wanted) for _ in range(2)))
    assert python == again
    code = "import tiny, pydantic, importlib.util; print(tiny.value, bool(importlib.util.find_spec('pyspark')))"
    process = await asyncio.create_subprocess_exec(python, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert (await process.communicate())[0].split() == [b"7", b"True"]
    assert (python.parent.parent / "requirements.txt").stat().st_mode & 0o777 == 0o600
    marked = (python.parent.parent / "complete").stat()
    assert await Environments(tmp_path / "python").python_for(own, wanted) == python
    assert os.path.samestat(marked, (python.parent.parent / "complete").stat())
    other = await asyncio.to_thread(lambda: Environments(tmp_path / "python"))
    with pytest.raises(MissingPart, match="cannot install the packages") as caught:
        await other.python_for(own, ["missing @ file:///nowhere/missing-1.0-py3-none-any.whl"])
    assert "nowhere" in caught.value.message
    assert caught.value.field == "spark.requirements"
    assert [path.name for path in (tmp_path / "python").iterdir()] == [python.parent.parent.name]


def test_another_interpreter_means_another_environment() -> None:
    from fireside.backends.local.requirements import _name

    names = {
        _name(OWN, ["a", "b"]),
        _name(OWN, ["a"]),
        _name(dataclasses.replace(OWN, python="3.12.1"), ["a", "b"]),
    }
    assert len(names) == 3
    assert _name(OWN, ["b", "a"]) in names
