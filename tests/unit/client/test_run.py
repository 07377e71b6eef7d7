"""Scripts in processes of their own: exit codes, environments, secrets that are gone afterwards."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

from fireside.client import run
from fireside.errors import NotFound, Unsupported
from fireside.wire import Connection


def connection(**changes: Any) -> Connection:
    facts: dict[str, Any] = {
        "name": "etl",
        "spark": "4.3.0",
        "remote": "sc://localhost:15002",
        "token": "t0ken",
        "master": "spark://127.0.0.1:7077",
        "rpc_secret": "s3cret",
        "workspace": "/w",
        "conf": {"spark.master": "spark://127.0.0.1:7077", "spark.driver.host": "127.0.0.1"},
        "environment": {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_REMOTE": "sc://localhost:15002"},
    }
    return Connection(**{**facts, **changes})


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code), *arguments]


def test_the_exit_code_of_the_script_is_passed_on() -> None:
    assert run.run_client(connection(), python("raise SystemExit(7)"), os.environ) == 7


def test_a_script_that_a_signal_ended_has_128_and_the_signal() -> None:
    assert run.run_client(connection(), python("import os; os.kill(os.getpid(), 9)"), os.environ) == 137


def test_a_client_finds_address_and_token_where_stock_pyspark_looks(tmp_path: Path) -> None:
    code = "import os, sys, json; json.dump(dict(os.environ), open(sys.argv[1], 'w'))"
    file = tmp_path / "environment"
    run.run_client(connection(), python(code, str(file)), {**os.environ, "SPARK_API_MODE": "classic"})
    found = json.loads(file.read_text())
    assert found["SPARK_REMOTE"] == "sc://localhost:15002"
    assert found["SPARK_CONNECT_AUTHENTICATE_TOKEN"] == "t0ken"
    assert found["SHARED_WORKSPACE"] == "/w"
    assert "SPARK_API_MODE" not in found


def test_a_classic_driver_finds_the_secret_in_a_private_file_that_is_gone_afterwards(tmp_path: Path) -> None:
    # CLI-05, SEC-04
    code = """
        import os, stat, sys
        folder = os.environ["SPARK_CONF_DIR"]
        file = os.path.join(folder, "spark-defaults.conf")
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
        text = open(file).read()
        assert "spark.authenticate.secret=s3cret" in text, text
        assert not any("s3cret" in value or "t0ken" in value for value in os.environ.values())
        assert "SPARK_REMOTE" not in os.environ
        assert os.environ["SPARK_LOCAL_IP"] == "127.0.0.1"
        open(sys.argv[1], "w").write(folder)
    """
    note = tmp_path / "note"
    environment = {**os.environ, "SPARK_REMOTE": "sc://elsewhere"}
    assert run.run_classic(connection(), python(code, str(note)), environment) == 0
    assert not Path(note.read_text()).exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_secret_is_gone_also_when_we_are_told_to_end(tmp_path: Path, number: signal.Signals) -> None:
    outer = """
        import os, sys
        from fireside.client import run
        from fireside.wire import Connection
        inner = "import os, signal; print(os.environ['SPARK_CONF_DIR'], flush=True); signal.pause()"
        found = Connection(name="c", spark="4.3.0", master="spark://127.0.0.1:7077", rpc_secret="s", workspace="/w")
        sys.exit(run.run_classic(found, [sys.executable, "-c", inner], os.environ))
    """
    with subprocess.Popen(python(outer), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert (folder / "spark-defaults.conf").is_file()
        process.send_signal(number)
        process.wait(30)
    assert process.returncode != 0
    assert not folder.exists()


def test_a_single_cluster_has_no_master_for_a_driver() -> None:
    with pytest.raises(Unsupported, match="no master"):
        run.run_classic(connection(master=None), ["true"], {})


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ({"cores": 2, "coresused": 2, "activeapps": [{"name": "fireside", "cores": 2}]}, "taken, by fireside (2)"),
        ({"cores": 2, "coresused": 1, "activeapps": []}, None),
        ({"unexpected": 1}, None),
    ],
)
def test_a_driver_that_would_wait_for_ever_is_told_why(page: dict[str, Any], words: str | None) -> None:
    # TRB-08
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(page).encode())

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        why = run.why_it_would_wait(f"http://127.0.0.1:{server.server_port}")
        thread.join()
    assert (why is None) if words is None else (why is not None and words in why)


def test_a_master_out_of_reach_is_no_reason(unused_port: int) -> None:
    assert run.why_it_would_wait(f"http://127.0.0.1:{unused_port}") is None


def test_a_missing_program_is_named() -> None:
    with pytest.raises(NotFound, match="no program /no/python"):
        run.run_client(connection(), ["/no/python"], {})


def test_signals_are_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    run.run_client(connection(), python(""), os.environ)
    assert signal.getsignal(signal.SIGTERM) is before
