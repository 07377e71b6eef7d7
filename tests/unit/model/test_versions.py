"""The version lock (VER-01 to VER-04, CLI-03)."""

from __future__ import annotations

import re
from importlib.metadata import metadata, version
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.errors import Unsupported, VersionMismatch
from fireside.model import versions
from fireside.model.state import Topology


@pytest.mark.parametrize("name", versions.known())
def test_every_release_of_the_lock_is_found(name: str) -> None:
    assert versions.release(name).version == name


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [
        ("3.0.1", "3.4.0"),  # the version of an older product
        ("3.3.4", "3.4.0"),
        ("2.4.8", "3.4.0"),
        ("3.5.42", "3.5.9"),
        ("3.9.0", "3.5.9"),
        ("4.0.9", "4.0.5"),
        ("4.0", "4.0.5"),
        ("4.3", "4.3.0"),
        ("4.3.1", "4.3.0"),
        ("4.9.9", "4.3.0"),
        ("5.0.0", "4.3.0"),
        ("latest", "4.3.0"),
        ("", "4.3.0"),
        ("9" * 5000, "4.3.0"),
    ],
)
def test_a_version_that_is_not_in_the_lock_is_refused_with_the_nearest(asked: str, nearest: str) -> None:
    """VER-04."""
    with pytest.raises(Unsupported, match=re.escape(nearest)) as raised:
        versions.release(asked)
    assert raised.value.field == "spark.version"
    assert raised.value.hint is not None
    assert nearest in raised.value.hint


@given(st.text(max_size=20))
def test_whatever_is_asked_the_nearest_exists(text: str) -> None:
    assert versions.nearest_release(text) in versions.known()


def test_a_newer_patch_that_is_installed_has_the_facts_of_its_line() -> None:
    assert versions.release("4.3.7", installed=True).line.hadoop == "3.5.0"
    with pytest.raises(Unsupported):
        versions.release("4.4.0", installed=True)


def test_the_lock_agrees_with_the_pyspark_that_is_installed() -> None:
    """VER-03, the facts of one line held against its package."""
    release = versions.release(version("pyspark"), installed=True)
    about = metadata("pyspark")
    oldest, newest = release.line.pythons
    assert about["Requires-Python"] == f">={oldest}"
    said = [line.rsplit(" ", 1)[-1] for line in about.get_all("Classifier", []) if re.search(r":: \d\.\d+$", line)]
    assert [said[0], said[-1]] == [oldest, newest]
    import pyspark

    jars = [path.name for path in (Path(pyspark.__file__).parent / "jars").iterdir()]
    assert f"hadoop-client-api-{release.line.hadoop}.jar" in jars
    assert any(name.startswith(f"scala-library-{release.scala}.") for name in jars)


def test_hadoop_aws_is_the_bundled_hadoop() -> None:
    """VER-03: hadoop-aws 3.3.4 on Spark 4.0.1, which bundles 3.4.1, fails."""
    assert versions.release("4.0.1").hadoop_aws == "org.apache.hadoop:hadoop-aws:3.4.1"


@pytest.mark.parametrize(
    ("spark", "java", "fits"),
    [
        ("3.5.9", "1.8.0_392", True),
        ("3.5.9", "17.0.19+10", True),
        ("3.5.9", "21.0.1", False),
        ("4.0.1", "1.8.0_392", False),
        ("4.0.1", "17", True),
        ("4.0.1", "25.0.2", False),
        ("4.1.4", "25", False),
        ("4.2.1", "25.0.2+10", True),
        ("4.3.0", "25.0.2", True),
        ("4.3.0", "11.0.22", False),
        ("4.3.0", "26", False),
        ("4.3.0", "none", False),
    ],
)
def test_java_is_held_against_the_spark(spark: str, java: str, fits: bool) -> None:
    """VER-04."""
    release = versions.release(spark)
    assert versions.java_fits(release, java) is fits
    if fits:
        versions.check_java(release, java)
        return
    with pytest.raises(Unsupported, match=re.escape(java)) as raised:
        versions.check_java(release, java)
    assert spark in raised.value.message
    assert "nearest" in raised.value.message


def test_a_java_too_old_or_too_new_is_called_so_with_the_nearest() -> None:
    with pytest.raises(Unsupported, match=r"too old: Spark 4.0.1 runs on Java 17 or 21; the nearest is 17"):
        versions.check_java(versions.release("4.0.1"), "11.0.1")
    with pytest.raises(Unsupported, match=r"too new: Spark 4.0.1 runs on Java 17 or 21; the nearest is 21"):
        versions.check_java(versions.release("4.0.1"), "25")


@pytest.mark.parametrize(
    ("spark", "python", "fits"),
    [
        ("3.4.0", "3.7", True),
        ("3.5.0", "3.7", False),
        ("3.5.0", "3.12", False),
        ("4.0.1", "3.9.18", True),
        ("4.1.0", "3.9", False),
        ("4.2.0", "3.10", True),
        ("4.3.0", "3.10", False),
        ("4.3.0", "3.14", True),
        ("4.3.0", "3.15", False),
    ],
)
def test_python_is_held_against_the_spark(spark: str, python: str, fits: bool) -> None:
    """VER-01, VER-04."""
    release = versions.release(spark)
    if fits:
        versions.check_python(release, python)
    else:
        with pytest.raises(Unsupported, match="the nearest is"):
            versions.check_python(release, python)


def test_a_client_of_another_minor_is_told_both_versions_and_the_exact_line() -> None:
    """CLI-03, VER-02."""
    with pytest.raises(VersionMismatch, match=r"4\.3\.0.*4\.0\.1") as raised:
        versions.match_client("4.3.0", "4.0.1")
    assert raised.value.hint is not None
    assert "pip install 'pyspark[connect]==4.0.1'" in raised.value.hint
    assert "pip install 'pyspark-client==4.0.1'" in raised.value.hint


def test_the_thin_client_is_only_named_as_far_as_it_is_published() -> None:
    with pytest.raises(VersionMismatch) as raised:
        versions.match_client("4.3.0", "4.2.1")
    assert raised.value.hint is not None
    assert "pyspark-client==4.2.0" in raised.value.hint
    with pytest.raises(VersionMismatch) as raised:
        versions.match_client("4.2.0", "4.3.0")
    assert raised.value.hint == "pip install 'pyspark[connect]==4.3.0'"


@given(st.sampled_from(versions.known()), st.sampled_from(versions.known()))
def test_clients_match_exactly_within_a_minor_line(client: str, server: str) -> None:
    same = versions.release(client).line == versions.release(server).line
    try:
        versions.match_client(client, server)
    except VersionMismatch:
        assert not same
    else:
        assert same


def test_driver_and_workers_need_the_same_python_minor() -> None:
    """VER-01."""
    versions.match_python("3.11.2", "3.11.9")
    with pytest.raises(VersionMismatch, match=r"3\.12.*3\.11"):
        versions.match_python("3.12", "3.11")


@pytest.mark.parametrize("spark", ["3.4.4", "3.5.9"])
def test_spark_3_serves_no_connect_and_no_single(spark: str) -> None:
    release = versions.release(spark)
    assert release.topologies == {Topology.STANDALONE}
    with pytest.raises(Unsupported, match=r"4\.0\.5") as raised:
        versions.check_topology(release, Topology.SINGLE)
    assert raised.value.field == "topology"
    with pytest.raises(Unsupported, match=r"4\.0\.5") as raised:
        versions.check_connect(release)
    assert raised.value.field == "connect"


def test_spark_4_serves_both() -> None:
    release = versions.newest()
    assert release.topologies == set(Topology)
    versions.check_topology(release, Topology.SINGLE)
    versions.check_connect(release)
