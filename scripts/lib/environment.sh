# Sourced by the other scripts: makes the project's own virtual environment and puts it first on PATH.
# `use_environment EXTRAS` installs only when pyproject.toml, constraints.txt or the extras changed.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.13 python3.12 python3.11 python3; do
    [ -n "$candidate" ] && command -v "$candidate" >/dev/null || continue
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "error: no Python 3.11 to 3.13 found (tried \$PYTHON, python3.13, python3.12, python3.11, python3)" >&2
  echo "hint: install one, or name it: PYTHON=/path/to/python $0" >&2
  return 1
}

use_environment() {
  local extras=$1 venv=${FIRESIDE_VENV:-$root/.venv} python stamp wanted quiet=
  stamp=$venv/.fireside-$(tr , - <<<"$extras")
  wanted=$(cat "$root/pyproject.toml" "$root/constraints.txt" | sha256sum | cut -d' ' -f1)
  # Two clones may share an environment (FIRESIDE_VENV): it leads to the sources of one of them.
  if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ] ||
    ! grep -qsxF "$root/src" "$venv"/lib/python3.*/site-packages/*fireside.pth; then
    if [ ! -x "$venv/bin/pip" ]; then
      python=$(find_python) || return 1
      echo "Making a virtual environment in ${venv#"$root"/} with $("$python" -V) …"
      if ! "$python" -m venv "$venv"; then
        rm -rf "$venv"
        echo "hint: on Debian and Ubuntu, 'apt-get install python3-venv' brings what is missing" >&2
        return 1
      fi
    fi
    echo "Installing Fireside with [$extras] (pyspark is 430 MB: the first time takes a few minutes) …"
    [ -t 1 ] || quiet=--quiet # a person sees pip's progress bars
    "$venv/bin/python" -m pip install $quiet --disable-pip-version-check \
      --editable "$root[$extras]" --constraint "$root/constraints.txt" || return 1
    echo "$wanted" >"$stamp"
  fi
  export PATH="$venv/bin:$PATH" VIRTUAL_ENV=$venv
}
