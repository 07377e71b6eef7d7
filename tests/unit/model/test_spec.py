"""The spec: what is accepted, what is refused and how, merging (W-01, W-13, STD-04)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fireside.errors import InvalidSpec
from fireside.model import spec as specs
from fireside.model.findings import Severity
from fireside.model.spec import ClusterSpec, merge, problems, validate
from fireside.model.state import Topology


def test_an_empty_spec_is_a_good_one() -> None:
    """W-01."""
    assert validate({}) == ClusterSpec()
    assert problems({}) == []


def test_a_field_without_a_value_is_as_if_it_were_not_written() -> None:
    assert validate({"workers": None, "spark": {"conf": None, "version": None}}) == ClusterSpec()


def test_shorthands_mean_the_field_that_they_stand_for() -> None:
    spec = validate({"workers": 3, "connect": False})
    assert spec.workers.count == 3
    assert spec.connect.enabled is False


@pytest.mark.parametrize(
    ("asked", "field", "says"),
    [
        ({"workers": 0}, "workers.count", "1 to 1000"),
        ({"workers": 10_000}, "workers.count", "1 to 1000"),
        ({"workers": True}, "workers", "neither a number of workers"),
        ({"workers": {"count": True}}, "workers.count", "true is not a whole number"),
        ({"workers": {"count": 2.5}}, "workers.count", "2.5 is not a whole number"),
        ({"workers": {"count": "2"}}, "workers.count", "2 is not a whole number"),
        ({"workers": {"cores": 0}}, "workers.cores", "1 to 1024"),
        ({"workers": {"memory": "lots"}}, "workers.memory", "'lots' is not an amount of memory"),
        ({"workers": {"memory": "0"}}, "workers.memory", "less than 1 MiB"),
        ({"workers": {"memory": -1}}, "workers.memory", "-1 is not an amount of memory"),
        ({"workers": {"memory": 2048}}, "workers.memory", "2048m for MiB"),
        ({"wrokers": 2}, "wrokers", "the nearest is workers"),
        ({"workers": {"mem": "2g"}}, "workers.mem", "the nearest is workers.memory"),
        ({"memory": "2g"}, "memory", "write it as workers.memory"),
        ({"version": "4.0.1"}, "version", "write it as spark.version"),
        ({"workers": {"version": "4.0.1"}}, "workers.version", "write it as spark.version"),
        ({"workers.memory": "2g"}, "workers.memory", "write it as workers: {memory: …}"),
        ({"spark.sql.ansi.enabled": True}, "spark.sql.ansi.enabled", "spark.conf: {spark.sql.ansi.enabled: …}"),
        ({"spark": {"sql.ansi.enabled": True}}, "spark.sql.ansi.enabled", "spark.conf: {spark.sql.ansi.enabled: …}"),
        ({"workers": {"spark.worker.timeout": 9}}, "workers.spark.worker.timeout", "workers.conf: {spark.worker"),
        ({"zzz": 1}, "zzz", "a spec has name, topology"),
        ({"wrokers": None}, "wrokers", "the nearest is workers"),
        ({"spark": {"vresion": None}}, "spark.vresion", "the nearest is spark.version"),
        ({"topology": "Single"}, "topology", "write single"),
        ({"topology": "yarn"}, "topology", "standalone or single"),
        ({"spark": {"version": 4.0}}, "spark.version", "write it in quotes: '4.0'"),
        ({"spark": {"jars": "a.jar"}}, "spark.jars", "a.jar is not a list"),
        ({"spark": {"conf": {"spark.a": [1]}}}, "spark.conf.spark.a", "not a single value"),
        ({"name": True}, "name", "'true'"),
        ({"name": "a/b"}, "name", "'a-b'"),
        ({"timeouts": {"ready": 90}}, "timeouts.ready", "90s"),
        ({"timeouts": {"ready": "0s"}}, "timeouts.ready", "1s to 24h"),
        ({"connect": {"enabled": "perhaps"}}, "connect.enabled", "perhaps is not true or false"),
        ({"connect": "no server"}, "connect", "neither true or false"),
        ({"topology": "single", "connect": False}, "connect.enabled", "cannot be false"),
        ({"topology": "single", "workers": 2}, "workers.count", "take workers.count out"),
        ({"topology": "single", "master": {"memory": "1g"}}, "master.memory", "topology: standalone"),
        ({"topology": "single", "executors": {"cores": 1}}, "executors.cores", "has no executors"),
        ({"topology": "single", "workers": {"conf": {"spark.a": "b"}}}, "workers.conf", "has no workers"),
        ({"connect": {"enabled": False, "memory": "2g"}}, "connect.memory", "has no effect"),
    ],
)
def test_what_is_wrong_is_named_with_its_field_and_what_would_do(asked: dict[str, Any], field: str, says: str) -> None:
    (finding,) = problems(asked)
    assert finding.severity is Severity.ERROR
    assert finding.field == field
    assert says in f"{finding.message} {finding.allowed} {finding.hint}"
    with pytest.raises(InvalidSpec) as raised:
        validate(asked)
    assert raised.value.field == field
    assert raised.value.message == finding.message


def test_all_that_is_wrong_comes_at_once() -> None:
    asked = {"workers": {"memory": "lots", "cores": 0}, "nmae": "x"}
    with pytest.raises(InvalidSpec) as raised:
        validate(asked)
    assert len(raised.value.message.splitlines()) == len(problems(asked)) == 3
    assert raised.value.field == problems(asked)[0].field


def test_values_of_configuration_are_not_shown() -> None:
    """They may be secrets (SEC-04)."""
    asked = {"spark": {"conf": {"spark.hadoop.fs.s3a.secret.key": ["hunter2"]}}, "connect": {"conf": "hunter2"}}
    with pytest.raises(InvalidSpec) as raised:
        validate(asked)
    everything = raised.value.message + "".join(str(each) for each in problems(asked))
    assert "hunter2" not in everything


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = st.sampled_from([*ClusterSpec.model_fields, "memory", "cores", "conf", "x"])


@given(st.dictionaries(_FIELDS, _JSON | st.dictionaries(_FIELDS, _JSON, max_size=3), max_size=4))
@example({"spark": {"two\nlines": 1}})
def test_whatever_is_asked_the_answer_is_a_spec_or_findings_with_fields(asked: dict[str, Any]) -> None:
    found = problems(asked)
    if not found:
        assert isinstance(validate(asked), ClusterSpec)
    for finding in found:
        assert finding.field
        assert finding.message
        assert len(finding.message.splitlines()) == 1


# ------------------------------------------------------------------------------------------------- round trip

_CONF = st.dictionaries(st.sampled_from(["spark.a", "spark.b", "connect", "workers"]), st.sampled_from(["1", "x"]))
_SIZE = st.sampled_from(["512m", "1g", "1.5g", "4GiB"])
_COUNT = st.integers(1, 8)
_NODE = {"cores": _COUNT, "memory": _SIZE, "conf": _CONF}
_PARTS: dict[str, st.SearchStrategy[Any]] = {
    "name": st.sampled_from(["a", "b"]),
    "workers": _COUNT | st.fixed_dictionaries({}, optional={"count": _COUNT, "spark_memory": _SIZE, **_NODE}),
    "master": st.fixed_dictionaries({}, optional=_NODE),
    "connect": st.booleans() | st.fixed_dictionaries({}, optional={"enabled": st.just(True), **_NODE}),
    "executors": st.fixed_dictionaries({}, optional={"cores": _COUNT, "memory": _SIZE}),
    "spark": st.fixed_dictionaries({}, optional={"version": st.sampled_from(["4.3.0", "4.0.1"]), "conf": _CONF}),
    "timeouts": st.fixed_dictionaries({}, optional={"ready": st.sampled_from(["90s", "2m"])}),
    "overcommit": st.booleans(),
}
_ASKED = st.fixed_dictionaries({}, optional=_PARTS)


@given(_ASKED)
def test_a_spec_that_is_written_out_reads_back_the_same(asked: dict[str, Any]) -> None:
    spec = validate(asked)
    assert validate(json.loads(spec.model_dump_json())) == spec
    assert ClusterSpec.model_validate_json(spec.model_dump_json()) == spec


# ------------------------------------------------------------------------------------------------------ merge


@given(_ASKED)
def test_merging_nothing_changes_nothing(asked: dict[str, Any]) -> None:
    assert merge(asked, {}) == asked
    assert validate(merge({}, asked)) == validate(asked)


@given(_ASKED, _ASKED)
def test_merging_twice_is_merging_once(base: dict[str, Any], over: dict[str, Any]) -> None:
    once = merge(base, over)
    assert merge(once, over) == once


@given(_ASKED, _ASKED)
def test_what_is_put_over_wins_and_the_rest_stays(base: dict[str, Any], over: dict[str, Any]) -> None:
    merged = merge(base, over)
    if problems(merged):  # `connect: false` over the sizes of a Connect server
        return
    below, above, result = (_written(each) for each in (base, over, merged))
    assert result == {**below, **above}


@given(_ASKED, _ASKED, _ASKED)
def test_merging_is_associative(one: dict[str, Any], two: dict[str, Any], three: dict[str, Any]) -> None:
    left, right = merge(merge(one, two), three), merge(one, merge(two, three))
    assert _written(left) == _written(right)


def _written(asked: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The fields that were set, shorthands written out, by path."""
    short = {"workers": "count", "connect": "enabled"} if not prefix else {}
    flat: dict[str, Any] = {}
    for key, value in asked.items():
        inner = {short[key]: value} if key in short and not isinstance(value, dict) else value
        if isinstance(inner, dict):
            flat.update(_written(inner, f"{prefix}{key}/"))
        else:
            flat[f"{prefix}{key}"] = inner
    return flat


def test_a_number_of_workers_keeps_their_size_and_none_unsets() -> None:
    assert merge({"workers": {"cores": 1}}, {"workers": 2}) == {"workers": {"cores": 1, "count": 2}}
    assert merge({"workers": 2}, {"workers": {"cores": 1}}) == {"workers": {"count": 2, "cores": 1}}
    assert merge({"workers": {"cores": 1, "count": 2}}, {"workers": {"count": None}}) == {"workers": {"cores": 1}}
    assert merge({"workers": 2, "name": "a"}, {"workers": None}) == {"name": "a"}


def test_merging_leaves_what_it_was_given_alone() -> None:
    base = {"spark": {"conf": {"spark.a": "1"}}}
    merge(base, {"spark": {"conf": {"spark.b": "2"}}})
    assert base == {"spark": {"conf": {"spark.a": "1"}}}


# ----------------------------------------------------------------------------------------------------- schema


def test_the_schema_knows_shorthands_defaults_and_bounds() -> None:
    schema = specs.json_schema()
    assert {"type": "integer", "minimum": 1, "maximum": 1000} in schema["properties"]["workers"]["anyOf"]
    assert {"type": "boolean"} in schema["properties"]["connect"]["anyOf"]
    assert schema["$defs"]["Timeouts"]["properties"]["ready"]["default"] == "3m"
    assert {"type": "integer", "minimum": 1, "maximum": 1024} in schema["$defs"]["WorkerSpec"]["properties"]["cores"][
        "anyOf"
    ]


def test_every_field_is_described() -> None:
    schema = specs.json_schema()
    parts = [schema, *(part for part in schema["$defs"].values() if "properties" in part)]
    bare = [name for part in parts for name, field in part["properties"].items() if "description" not in field]
    assert bare == ["spark", "master", "executors", "timeouts"]  # these point at parts that are described


def test_topologies_are_those_of_the_model() -> None:
    assert {validate({"topology": each.value}).topology for each in Topology} == set(Topology)
