"""The command line as a whole: every command is there, explains itself, and loads nothing that it does not need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fireside import wire
from fireside.cli import main, options, output

Run = Callable[..., Any]
COMMANDS = [name for names in main.SECTIONS.values() for name in names]
SERVER_COMMANDS = ["status", "start", "stop", "logs"]


def test_every_command_has_a_home_and_a_section() -> None:
    assert sorted(COMMANDS) == sorted(main.HOMES)


@pytest.mark.parametrize("command", [*[(name,) for name in COMMANDS], *[("server", name) for name in SERVER_COMMANDS]])
def test_every_command_has_help_with_examples(fireside: Run, command: tuple[str, ...]) -> None:
    shown = fireside(*command, "--help").stdout
    assert "Examples:\n" in shown
    assert f"fireside {' '.join(command)}" in shown.partition("Examples:")[2]


def test_help_without_arguments_lists_every_command(fireside: Run) -> None:
    result = fireside()
    assert result.exit_code == 0
    assert all(f"\n  {name} " in result.stdout for name in COMMANDS)


def test_a_wrong_command_names_the_nearest(fireside: Run) -> None:
    result = fireside("stauts")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: No such command 'stauts'. Did you mean 'status'?\nhint: see fireside --help\n"


@pytest.mark.parametrize("row", wire.ERRORS, ids=lambda row: row.code)
def test_every_error_ends_with_its_exit_status(
    row: wire.ErrorRow, fireside: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise row.error("it went wrong", hint="do this")

    monkeypatch.setattr("fireside.cli.target.client", fail)
    result = fireside("ps")
    assert result.exit_code == row.exit
    assert result.stderr == "error: it went wrong\nhint: do this\n"


def test_a_wrong_flag_is_json_when_json_was_asked_for(fireside: Run) -> None:
    result = fireside("ps", "--json", "--nope")
    assert result.exit_code == 2
    assert json.loads(result.stderr)["code"] == "invalid_spec"


def test_a_number_that_is_none_is_repeated(fireside: Run) -> None:
    result = fireside("up", "--workers", "1.5")
    assert result.exit_code == 2
    assert "'--workers' / '-w': '1.5' is not a whole number" in result.stderr


def test_ctrl_c_ends_with_130(fireside: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fireside.cli.target.client", interrupt)
    assert fireside("ps").exit_code == 130


def test_names_complete_from_a_running_server_only(server: Any, new_cluster: Any) -> None:
    server.add(new_cluster("etl"), new_cluster("default", id="c-2"))
    assert options.complete_name("e") == ["etl"]


def test_completion_is_silent_when_no_server_runs(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESIDE_HOME", str(short_tmp))
    assert options.complete_name("e") == []
    assert list(short_tmp.iterdir()) == []


def test_completion_is_silent_about_wrong_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESIDE_GRACE", "soon")
    assert options.complete_name("e") == []


def test_ps_asks_the_client_when_a_quick_look_finds_nothing(
    fireside: Run, server: Any, new_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fireside.client.glance.clusters", lambda _settings: None)
    server.add(new_cluster())
    assert "default" in fireside("ps").stdout


def test_listing_needs_neither_pydantic_nor_httpx(short_tmp: Path) -> None:
    code = """
        import sys
        from fireside.client import glance
        glance.clusters = lambda settings: []
        from fireside.cli.main import app
        app(["ps"], standalone_mode=False)
        print(sorted({"pydantic", "httpx", "rich", "asyncio"} & set(sys.modules)))
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert ran.stdout == "No clusters. Start one: fireside up\n[]\n"


@pytest.mark.parametrize("module", ["fireside.cli.main", "fireside.cli.look", "fireside.cli.up", "fireside.cli.use"])
def test_importing_a_command_loads_nothing_heavy(module: str) -> None:
    heavy = (
        "{'pyspark', 'grpc', 'fastapi', 'sqlalchemy', 'structlog', 'ruamel', 'rich', 'httpx', 'pydantic', 'asyncio'}"
    )
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_a_reader_that_goes_away_is_no_error(tmp_path: Any) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        ran = subprocess.run(
            [sys.executable, "-m", "fireside", "schema"], stdout=pipe, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ran.stderr == ""


def test_tables_are_aligned_and_have_no_trailing_blanks() -> None:
    shown = output.table(("A", "N"), [("x", "1"), ("long", "100"), ("", "")], right=("N",))
    assert shown == "A       N\nx       1\nlong  100\n"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1536, "1.5 KiB"), (5 * 1024**3, "5.0 GiB"), (2**41, "2.0 TiB")]
)
def test_sizes_are_readable(count: int, text: str) -> None:
    assert output.size(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(-1, "0s"), (42, "42s"), (180, "3m"), (10800, "3h"), (172800, "2d")])
def test_ages_are_readable(seconds: float, text: str) -> None:
    assert output.age(seconds) == text
