"""Run a benchmark by name, or list them: `scripts/bench`, `scripts/bench cold-start --rounds 3`."""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SHARED = {"__main__", "report", "footprint"}


def names() -> dict[str, str]:
    """Return each benchmark with the first line of its docstring."""
    files = sorted(path for path in HERE.glob("*.py") if path.stem not in SHARED)
    return {
        path.stem.replace("_", "-"): (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[0]
        for path in files
    }


def main() -> int:
    """Run the benchmark that the first argument names; without one, list them."""
    known = names()
    if len(sys.argv) < 2 or sys.argv[1] in {"-h", "--help"}:
        print("\n".join(f"{name:<14} {line}" for name, line in known.items()))
        return 0
    name = sys.argv.pop(1)
    if name not in known:
        print(f"error: no benchmark {name!r}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    sys.argv[0] = f"bench {name}"
    sys.path.insert(0, str(HERE))
    runpy.run_path(str(HERE / f"{name.replace('-', '_')}.py"), run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main())
