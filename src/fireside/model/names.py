"""Names: which may be used, and how any text becomes a DNS label without two texts becoming one.

`a_b`, `a-b` and `A__B` are three users, and `a.b`, `___` or 80 characters are no DNS labels (W-03, W-04).
"""

from __future__ import annotations

import base64
import hashlib
import re

MAX_NAME = 63
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_LABEL = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?")
_HASHED = re.compile(r".*-x[a-z2-7]{16}")
_YAML_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_SLUG = 40


def check_name(value: object) -> str:
    """Return `value` when it can name a cluster; raise ValueError with the nearest name that can.

    A name has 1 to 63 characters: ASCII letters, digits, `.`, `_`, `-`; the first and the last are a letter or digit.
    """
    if not isinstance(value, str):
        written = str(value).lower() if isinstance(value, bool) or value is None else str(value)
        raise ValueError(f"{written} is not text: put it in quotes, as '{written}'")
    if _NAME.fullmatch(value) and len(value) <= MAX_NAME:
        return value
    why = f"has {len(value)} characters" if len(value) > MAX_NAME else "has characters that a name cannot have"
    raise ValueError(
        f"{value[:100]!r} {why}: use 1 to {MAX_NAME} letters, digits, '.', '_' or '-', such as {nearest_name(value)!r}"
    )


def nearest_name(text: str) -> str:
    """Return a valid name that reads like `text`."""
    ascii_text = text.encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", ascii_text)[:MAX_NAME].strip("-._")
    return name or "cluster"


def dns_label(text: str) -> str:
    """Return a DNS-1035 label (at most 63 characters) for any text; different texts give different labels.

    A text that is such a label already, and no word that YAML reads as another type, is returned as it is. All
    others get a readable beginning and 80 bits of a SHA-256; labels of that form are never returned as they are.
    """
    if _LABEL.fullmatch(text) and len(text) <= 63 and not _HASHED.fullmatch(text) and text not in _YAML_WORDS:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:10]
    suffix = base64.b32encode(digest).decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower().encode("ascii", "ignore").decode())[:_SLUG].strip("-")
    slug = slug if slug[:1].isalpha() else f"n-{slug}".rstrip("-")
    return f"{slug}-x{suffix}"
