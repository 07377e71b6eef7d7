"""Spec files: what is read, and how what cannot be read is located."""

from __future__ import annotations

from pathlib import Path

import pytest

from fireside.client import specfile
from fireside.errors import FiresideError, InvalidSpec, NotFound, Refused
from fireside.model.findings import Finding, Severity
from fireside.model.spec import problems

SPEC = """\
name: etl
workers:
  count: 2
  memory: 1.5g
spark:
  jars: [a.jar, "s3a://bucket/b.jar"]
  python: bin/python
  conf:
    spark.sql.ansi.enabled: yes
    spark.sql.shuffle.partitions: 8
workspace: ../data
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cluster.yaml"


def test_a_file_is_read_as_plain_values(file: Path) -> None:
    file.write_text(SPEC)
    asked = specfile.load(file).asked
    assert asked["workers"] == {"count": 2, "memory": "1.5g"}
    assert asked["spark"]["conf"] == {"spark.sql.ansi.enabled": "yes", "spark.sql.shuffle.partitions": 8}
    assert type(asked["workers"]) is dict


def test_every_field_knows_its_line(file: Path) -> None:
    file.write_text(SPEC)
    read = specfile.load(file)
    assert read.line_of("name") == 1
    assert read.line_of("workers.memory") == 4
    assert read.line_of("spark.conf.spark.sql.shuffle.partitions") == 10
    assert read.line_of("spark.jars.1") == 6


def test_a_field_that_is_not_there_has_the_line_of_the_part_above_it(file: Path) -> None:
    file.write_text(SPEC)
    assert specfile.load(file).line_of("workers.conf.x") == 2
    assert specfile.load(file).line_of("connect.memory") is None


def test_relative_paths_mean_the_folder_of_the_file(file: Path) -> None:
    file.write_text(SPEC)
    asked = specfile.load(file).asked
    assert asked["workspace"] == str(file.parent.parent / "data")
    assert asked["spark"]["jars"] == [str(file.parent / "a.jar"), "s3a://bucket/b.jar"]
    assert asked["spark"]["python"] == str(file.parent / "bin/python")


def test_a_program_found_by_PATH_is_no_relative_path(tmp_path: Path) -> None:  # noqa: N802 - the variable's name
    assert specfile.absolute({"spark": {"python": "python3.11"}}, tmp_path) == {"spark": {"python": "python3.11"}}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "is there twice"),
        ("workers:\n\tcount: 2\n", 2, "tab"),
        ("a: [1,\nb: 2\n", 3, ""),
        ("a: b: c\n", 1, "mapping values are not allowed"),
        ("1: 2\n", 1, "is no name of a field"),
    ],
)
def test_broken_yaml_is_named_with_its_line(file: Path, text: str, line: int, words: str) -> None:
    file.write_text(text)
    with pytest.raises(InvalidSpec) as caught:
        specfile.load(file)
    assert caught.value.message.startswith(f"{file}:{line}: ")
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"# only a comment\n", "is empty"),
        (b"- a\n- b\n", "this is a list"),
        (b"just text\n", "single value"),
        (b"\x00\x01\xff", "no text in UTF-8"),
        (b"a: \x00\n", "no text in UTF-8"),
        (b"a" * (1024 * 1024 + 1), "larger than 1 MiB"),
        (b"a: " + b"[" * 500 + b"]" * 500, "nested too deeply"),
        (
            b"a: &a [x,x,x,x,x,x,x,x]\n"
            + b"".join(b"%c: &%c [%s]\n" % (at + 1, at + 1, b",".join([b"*%c" % at] * 8)) for at in b"abcdefgh"),
            "more than 10000 values",
        ),
    ],
)
def test_what_is_no_spec_says_what_it_is(file: Path, content: bytes, words: str) -> None:
    file.write_bytes(content)
    with pytest.raises(InvalidSpec) as caught:
        specfile.load(file)
    assert words in caught.value.message
    assert str(file) in caught.value.message


@pytest.mark.parametrize("text", ['x: !!python/object/apply:os.system ["id"]\n', "x: !!omap [a: 1]\n", "x: !mine {}\n"])
def test_a_tag_is_data_and_nothing_more(file: Path, text: str) -> None:
    file.write_text(text)
    assert set(specfile.load(file).asked) == {"x"}


def test_a_missing_file_names_the_nearest_one(file: Path) -> None:
    file.write_text("name: a\n")
    with pytest.raises(NotFound) as caught:
        specfile.load(file.with_name("clusters.yml"))
    assert caught.value.hint == f"did you mean {file}?"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        specfile.load(tmp_path / "nowhere" / "cluster.yaml")
    assert caught.value.hint == f"the folder {tmp_path / 'nowhere'} does not exist either"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="Is a directory"):
        specfile.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "field", "line", "words"),
    [
        ("name: etl\nwrokers: 2\n", "wrokers", 2, "workers"),  # the nearest valid name
        ("name: true\n", "name", 1, "quotes"),  # W-04
        ("workers:\n  count: 2\n  memory: lots\n", "workers.memory", 3, "lots"),
        ("spark:\n  conf:\n    spark.x: [1]\n", "spark.conf.spark.x", 3, "single value"),
    ],
)
def test_what_the_model_finds_wrong_is_located(file: Path, text: str, field: str, line: int, words: str) -> None:
    file.write_text(text)
    read = specfile.load(file)
    error = specfile.complaint(problems(read.asked), read)
    assert error is not None
    assert error.message.startswith(f"{file}:{line}: ")
    assert error.field == field
    assert words in " ".join(str(part) for part in (error.message, error.allowed, error.hint))


def test_all_that_is_wrong_is_said_at_once(file: Path) -> None:
    file.write_text("wrokers: 2\nname: true\n")
    read = specfile.load(file)
    error = specfile.complaint(problems(read.asked), read)
    assert error is not None
    assert len(error.message.splitlines()) == 2


def test_warnings_are_no_complaint() -> None:
    assert specfile.complaint([Finding(Severity.WARNING, "mind this")]) is None


def test_ours_are_the_only_errors_that_leave(file: Path) -> None:
    for text in ("%", "{", "&a *a", "!!int x", "? [a]: b", "\x85", "a: &x 1\nb: *y"):
        file.write_text(text)
        try:
            specfile.load(file)
        except FiresideError:
            continue
