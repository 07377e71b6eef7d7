"""Commands that use a cluster: `sql`, `run`, `shell`, `env`, `open`."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fireside.cli import options, output, target
from fireside.errors import NotFound

if TYPE_CHECKING:
    from fireside.wire import Connection

FAILED = 1
"""Exit status when a query or a check of the user failed."""


def sql(
    words: Annotated[list[str], typer.Argument(metavar="[NAME] QUERY", help="A query, or - to read it from stdin.")],
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Print at most so many rows.")] = 1000,
    as_json: options.Json = False,
) -> None:
    """Run a query and print its rows.

    \b
    Examples:
      fireside sql "select 1 + 1 as two"
      fireside sql etl "show tables" --json
      fireside sql - --csv < query.sql
    """
    if len(words) > 2:
        raise typer.BadParameter("put the query in quotes", param_hint="'QUERY'")
    if csv and as_json:
        raise typer.BadParameter("choose one of --csv and --json", param_hint="'--csv'")
    query = sys.stdin.read() if words[-1] == "-" else words[-1]
    connection = _connection(words[0] if len(words) == 2 else None)
    columns, rows = _answer(connection, query.strip().rstrip(";"), limit, as_json)
    if len(rows) > limit:
        output.tell(f"note: these are the first {limit} rows; --limit shows more")
        rows = rows[:limit]
    if as_json:
        output.show_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif csv:
        _print_csv(columns, rows)
    elif not columns:
        output.say("done")
    else:
        output.say(output.table(columns, [[_cell(value) for value in row] for row in rows]))
        output.say(f"({len(rows)} row{'' if len(rows) == 1 else 's'})")


def run(
    words: Annotated[
        list[str], typer.Argument(metavar="[NAME] SCRIPT [ARG]...", help="A Python script and its arguments.")
    ],
    classic: Annotated[
        bool, typer.Option("--classic", help="With a driver of its own: for RDDs, SparkContext and .master().")
    ] = False,
) -> None:
    """Run a script on a cluster. Its exit code is passed on.

    The script gets its session from SparkSession.builder.getOrCreate(). Flags go before the script; what
    follows it belongs to it.

    \b
    Examples:
      fireside run job.py
      fireside run etl job.py --date 2026-01-31
      fireside run --classic rdd_job.py
    """
    from fireside.cli.main import callers_environment
    from fireside.client import run as runs
    from fireside.client import session
    from fireside.model import versions

    name, script, arguments = _script(words)
    connection = _connection(name)
    if classic:
        _tell_if_it_would_wait(connection.name)
        # The cluster's own Python has the cluster's own PySpark; only another one has to be compared.
        if connection.python is None:
            versions.match_client(session.client_version(connection.spark), connection.spark)
        command = [connection.python or sys.executable, script, *arguments]
        code = runs.run_classic(connection, command, callers_environment())
    else:
        session.greet(connection)
        code = runs.run_client(connection, [sys.executable, script, *arguments], callers_environment())
    raise typer.Exit(code)


def shell(name: options.Name = None) -> None:
    """Open Python, or IPython where it is installed, with a session called spark.

    \b
    Examples:
      fireside shell
      fireside shell etl
    """
    connection = _connection(name)
    with target.session(connection) as spark:
        _interact(f"Spark {spark.version} on {connection.name!r}. The session is spark; Ctrl-D ends.", {"spark": spark})


def env(
    name: options.Name = None,
    unset: Annotated[bool, typer.Option("--unset", help="Print what takes the variables away again.")] = False,
    as_json: options.Json = False,
) -> None:
    """Print the variables with which stock PySpark finds the cluster. The token is among them.

    \b
    Examples:
      eval "$(fireside env)"
      eval "$(fireside env --unset)"
    """
    from fireside.client import run as runs

    connection = _connection(name)
    variables = (
        runs.client_environment(connection) if connection.remote is not None else runs.shared_environment(connection)
    )
    if as_json:
        output.show_json(variables)
        return
    for key, value in sorted(variables.items()):
        output.say(f"unset {key}" if unset else f"export {key}={shlex.quote(value)}")
    if sys.stdout.isatty():
        command = " ".join(["fireside env", *([shlex.quote(name)] if name else []), *(["--unset"] if unset else [])])
        output.tell(f'# to use it: eval "$({command})"')


def open_pages(
    name: options.Name = None,
    page: Annotated[
        str | None,
        typer.Argument(metavar="[PAGE]", help="Which page, as status names it. Default: all.", show_default=False),
    ] = None,
    only_print: Annotated[bool, typer.Option("--print", help="Print the links, open no browser.")] = False,
    as_json: options.Json = False,
) -> None:
    """Print the links to a cluster's web pages, and open them where there is a display.

    \b
    Examples:
      fireside open
      fireside open etl --print
    """
    server = target.client()
    view = server.get(target.pick(server, name))
    links = view.links if page is None else {title: link for title, link in view.links.items() if title == page}
    if not links:
        raise NotFound(
            f"{view.name!r} has no page {page!r}" if page else f"{view.name!r} has no pages now: it is {view.phase}",
            found=page,
            allowed=", ".join(view.links) or None,
            hint=None if view.links else f"fireside status {view.name}",
        )
    if as_json:
        output.show_json(links)
        return
    for title, link in links.items():
        output.say(f"{title}: {link}")
    if not only_print and _has_display():
        import webbrowser

        for link in links.values():
            webbrowser.open(link)


def _tell_if_it_would_wait(name: str) -> None:
    from fireside.client.run import why_it_would_wait

    page = target.client().get(name).links.get("master")
    why = None if page is None else why_it_would_wait(page)
    if why is not None:
        output.tell(
            f"note: {why}: the script waits until some are free\n"
            f"hint: bound the Connect server: fireside up {name} --set connect.conf.spark.cores.max=1 "
            "--set executors.cores=1"
        )


def _connection(name: str | None) -> Connection:
    server = target.client()
    return server.connection(target.pick(server, name))


def _answer(connection: Connection, query: str, limit: int, as_json: bool) -> tuple[list[str], list[list[Any]]]:
    """Return columns and at most `limit` + 1 rows; end with status 1 when the query fails."""
    from fireside.client.smoke import query_errors

    with target.session(connection) as spark:
        try:
            frame = spark.sql(query)
            return list(frame.columns), [list(row) for row in frame.limit(limit + 1).collect()]
        except query_errors() as error:
            _tell_failure(str(error), as_json)
            raise typer.Exit(FAILED) from error


def _tell_failure(message: str, as_json: bool) -> None:
    told = message.partition("\n\nJVM stacktrace:")[0].strip()
    if as_json:
        from fireside.wire import Problem

        output.tell(Problem(code="query_failed", message=told).model_dump_json(exclude_none=True))
    else:
        output.tell(f"error: the query failed: {told}")


def _cell(value: object) -> str:
    return "NULL" if value is None else str(value).replace("\n", "\\n")


def _print_csv(columns: list[str], rows: list[list[Any]]) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)


def _script(words: list[str]) -> tuple[str | None, str, list[str]]:
    """Split `[NAME] SCRIPT [ARG]…`: the first word is the script when it looks like one."""
    first_is_script = words[0].endswith(".py") or Path(words[0]).is_file()
    name, rest = (None, words) if first_is_script else (words[0], words[1:])
    if not rest:
        raise typer.BadParameter(f"there is no script {words[0]!r}", param_hint="'SCRIPT'")
    if not Path(rest[0]).is_file():
        raise NotFound(f"there is no script {Path(rest[0]).absolute()}", found=rest[0])
    return name, rest[0], rest[1:]


def _interact(banner: str, names: dict[str, Any]) -> None:
    try:
        from IPython import start_ipython
    except ImportError:
        import code

        code.interact(banner=banner, local=names, exitmsg="")
        return
    output.tell(banner)
    start_ipython(argv=["--no-banner"], user_ns=names)


def _has_display() -> bool:
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
