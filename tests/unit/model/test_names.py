"""Names: valid ones, and labels that never make two texts one (W-03, W-04)."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from fireside.model import names

_LABEL = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_ODD = [
    "a_b",
    "a-b",
    "A__B",
    "a.b",
    "___",
    "",
    "x" * 80,
    "123",
    "true",
    "null",
    "~",
    "1e5",
    "émile",
    "日本",
    "a b",
    "💥",
]
_TEXT = st.one_of(st.text(max_size=100), st.from_regex(r"[a-zA-Z0-9._-]{0,80}", fullmatch=True), st.sampled_from(_ODD))


@given(_TEXT)
@example("\ud800")
def test_every_text_becomes_a_dns_label(text: str) -> None:
    assert _LABEL.fullmatch(names.dns_label(text))


@given(_TEXT, _TEXT)
def test_two_texts_never_share_a_label(one: str, other: str) -> None:
    assert (names.dns_label(one) == names.dns_label(other)) == (one == other)


@given(_TEXT)
def test_the_label_of_a_label_is_not_taken_for_the_text_itself(text: str) -> None:
    label = names.dns_label(text)
    assert names.dns_label(label) != label or label == text


def test_the_users_of_the_other_product_stay_apart() -> None:
    assert len({names.dns_label(text) for text in _ODD}) == len(_ODD)


@given(_TEXT)
def test_a_label_is_text_to_yaml(text: str) -> None:
    label = names.dns_label(text)
    assert YAML(typ="safe", pure=True).load(label) == label


def test_a_plain_name_keeps_its_own_label() -> None:
    assert names.dns_label("team-a1") == "team-a1"


@pytest.mark.parametrize("name", ["a", "default", "a.b", "A_1", "true", "123", "x" * 63])
def test_usual_names_are_accepted(name: str) -> None:
    assert names.check_name(name) == name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a/b", "'a-b'"),
        ("my cluster", "'my-cluster'"),
        ("x" * 80, "80 characters"),
        ("🔥", "'cluster'"),
        ("___", "'cluster'"),
        ("", "'cluster'"),
        ("a\n", "'a'"),
        ("-a", "'a'"),
        (True, "put it in quotes, as 'true'"),
        (123, "put it in quotes, as '123'"),
    ],
)
def test_other_names_are_refused_with_one_that_would_do(name: object, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        names.check_name(name)


@given(_TEXT)
def test_the_nearest_name_is_a_valid_one(text: str) -> None:
    assert names.check_name(names.nearest_name(text))
