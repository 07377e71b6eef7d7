"""Properties files, read back by the rules of ``java.util.Properties``."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from fireside.render.properties import properties

TEXT = st.text(st.characters(codec=None), max_size=40) | st.text("\\ \t\n\r\f=:#!u0aé🎈\ud800", max_size=20)
_NAMED = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def read(text: str) -> dict[str, str]:
    """Read a file as `Properties.load` does: the rules of its documentation, written independently of the writer."""
    pairs = {}
    for natural in re.split(r"\r\n|\n|\r", text):
        line = natural.lstrip(" \t\f")
        if not line or line[0] in "#!":
            continue
        end = 0
        while end < len(line) and line[end] not in "=: \t\f":
            end += 2 if line[end] == "\\" else 1
        rest = line[end:].lstrip(" \t\f")
        if rest[:1] in {"=", ":"}:
            rest = rest[1:].lstrip(" \t\f")
        pairs[unescape(line[:end])] = unescape(rest)
    return pairs


def unescape(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        return chr(int(match[1], 16)) if match[1] else _NAMED.get(match[2], match[2])

    plain = re.sub(r"\\(?:u([0-9a-fA-F]{4})|(.))", one, text, flags=re.DOTALL)
    return plain.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass")


@given(st.dictionaries(TEXT.filter(bool), TEXT, max_size=5))
def test_what_is_written_is_read_back(values: dict[str, str]) -> None:
    assert read(properties(values)) == values


@given(st.dictionaries(TEXT.filter(bool), TEXT, max_size=5))
def test_every_pair_is_one_line_of_plain_ascii(values: dict[str, str]) -> None:
    text = properties(values)
    assert text.isascii()
    assert text.count("\n") == len(values)
    assert "\r" not in text


def test_a_windows_path_a_leading_blank_and_a_new_line_keep_their_meaning() -> None:
    text = properties({"path": "C:\\new", "padded": "  x ", "lines": "a\nb"})
    assert text == "lines=a\\nb\npadded=\\ \\ x \npath=C\\:\\\\new\n"
