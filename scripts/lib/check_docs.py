"""Check the documents: links lead somewhere, YAML is a valid spec, commands exist, drawn tables match the code."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

from fireside.model.spec import ClusterSpec
from fireside.model.state import PHASE_FOLLOWS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(#[^)\s]*)?\)")


def main() -> int:
    """Print what is wrong, one line each; return 1 when there is something."""
    found = [line for document in DOCUMENTS for line in check(document)]
    found += transition_table()
    if len((ROOT / "README.md").read_text().splitlines()) >= 150:
        found.append("README.md: 150 lines or more")
    print("\n".join(found) or f"{len(DOCUMENTS)} documents are in order")
    return 1 if found else 0


def check(document: Path) -> list[str]:
    """Return what is wrong in one document."""
    text = document.read_text()
    name = document.relative_to(ROOT)
    found = [
        f"{name}: link to {target}, which is not there"
        for target, _ in LINK.findall(text)
        if "://" not in target and not (document.parent / target).exists()
    ]
    for language, body in FENCE.findall(text):
        try:
            if language == "yaml":
                ClusterSpec.model_validate(YAML(typ="safe").load(body) or {})
            elif language == "python":
                compile(body, str(name), "exec")
            elif language in {"bash", "sh", "console"}:
                found += [f"{name}: {line}" for line in unknown_commands(body)]
        except (ValueError, SyntaxError) as error:
            found.append(f"{name}: a {language} example does not work: {error}")
    return found


def unknown_commands(body: str) -> list[str]:
    """Return the `fireside` and `scripts/` commands of a shell example that do not exist."""
    found = []
    for line in body.replace("\\\n", " ").splitlines():
        for words in commands(line.removeprefix("$ ")):
            if words[0].startswith("scripts/") and not (ROOT / words[0]).exists():
                found.append(f"no such script: {words[0]}")
            if words[0] == "fireside" and len(words) > 1 and not words[1].startswith("-"):
                found += unknown_options(words[1:])
    return found


def commands(line: str) -> list[list[str]]:
    """Return the simple commands of a shell line, `$(…)` included."""
    inner = re.findall(r"\$\(([^)]*)\)", line)
    try:
        words = shlex.split(re.sub(r"\$\([^)]*\)", "x", line), comments=True)
    except ValueError:
        return []
    parts: list[list[str]] = [[]]
    for word in words:
        if word in {"|", "&&", "||", ";", ">", "<"}:
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part] + [part for text in inner for part in commands(text)]


_HELP: dict[str, str] = {}


def unknown_options(words: list[str]) -> list[str]:
    """Return what `fireside COMMAND --help` does not know of these words."""
    command = words[0]
    if command not in _HELP:
        done = subprocess.run(
            [sys.executable, "-m", "fireside", command, "--help"],
            capture_output=True,
            text=True,
            check=False,
            env={"NO_COLOR": "1", "COLUMNS": "200", "PATH": "/usr/bin:/bin", "TERM": "dumb"},
        )
        _HELP[command] = done.stdout if done.returncode == 0 else ""
    text = _HELP[command]
    if not text:
        return [f"no such command: fireside {command}"]
    options = [word.split("=")[0] for word in words[1:] if re.fullmatch(r"--?[a-z][\w-]*(=.*)?", word)]
    return [f"fireside {command} has no {option}" for option in options if option not in text]


def transition_table() -> list[str]:
    """Return the phase changes that the table in the architecture document draws differently from the code."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    drawn: dict[str, set[str]] = {}
    for line in re.findall(r"^\| `(\w+)` \| (.*?) \|$", text, re.MULTILINE):
        drawn[line[0]] = set(re.findall(r"`(\w+)`", line[1]))
    return [
        f"docs/architecture.md: phase {phase.value} is followed by {sorted(drawn.get(phase.value, set()))}, "
        f"in the code by {sorted(follow.value for follow in follows)}"
        for phase, follows in PHASE_FOLLOWS.items()
        if drawn.get(phase.value, set()) != {follow.value for follow in follows}
    ]


if __name__ == "__main__":
    sys.exit(main())
