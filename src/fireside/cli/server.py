"""`fireside server …` and `fireside version`: the server of this user. It starts and ends by itself."""

from __future__ import annotations

import platform
from collections import deque
from typing import Annotated

import typer

from fireside.cli import options, output, target
from fireside.errors import NotFound, Refused

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def server() -> None:
    """Look after the server of this user. It starts when a command needs it, and ends when nothing runs.

    Clusters keep running without it; the next command starts it again.

    \b
    Examples:
      fireside server status
      fireside server logs --tail 50
      fireside server stop
    """


@app.command()
def status(as_json: options.Json = False) -> None:
    """Say whether a server runs, and how it and what it depends on are.

    \b
    Examples:
      fireside server status --json
    """
    asked = target.running_client()
    if asked is None:
        if as_json:
            output.show_json({"running": False})
        else:
            output.say("No server runs. The next command that needs one starts it.")
        return
    found, health = asked.version(), asked.health()
    if as_json:
        output.show_json({"running": True, "version": found, "health": health})
        return
    output.say(f"Fireside {found.version}, process {found.pid}, installation {found.installation}: {health.status}")
    output.say(f"  socket: {asked.socket}")
    for name, state in health.dependencies.items():
        output.say(f"  {name}: {state}")
    if health.sweep_held:
        output.say(f"  nothing is swept: {health.sweep_held}")
    if health.orphans:
        output.say(f"  in no record: {', '.join(health.orphans)} (fireside purge --orphans)")


@app.command()
def start(as_json: options.Json = False) -> None:
    """Start the server, if none runs.

    \b
    Examples:
      fireside server start
    """
    found = target.client().version()
    if as_json:
        output.show_json(found)
    else:
        output.say(f"Fireside {found.version} runs as process {found.pid}")


@app.command()
def stop(as_json: options.Json = False) -> None:
    """End the server. Clusters keep running.

    \b
    Examples:
      fireside server stop
    """
    from fireside.client import launch

    was_there = launch.stop_server()
    if as_json:
        output.show_json({"stopped": was_there})
    else:
        output.say("The server has ended; clusters keep running." if was_there else "No server runs.")


@app.command()
def logs(tail: Annotated[int, typer.Option("--tail", min=1, help="How many lines.")] = 100) -> None:
    """Print the last lines of the server's log.

    \b
    Examples:
      fireside server logs --tail 20
    """
    from fireside import settings
    from fireside.client import rendezvous

    log = rendezvous.meeting_of(settings.load()).log
    try:
        with log.open(encoding="utf-8", errors="replace") as lines:
            last = deque(lines, maxlen=tail)
    except FileNotFoundError as error:
        raise NotFound(f"there is no log {log}: no server has run yet", found=str(log)) from error
    except OSError as error:
        raise Refused(f"{log} cannot be read: {error.strerror}", found=str(log)) from error
    for line in last:
        output.say(line.rstrip("\n"))


def version(as_json: options.Json = False) -> None:
    """Print the versions of Fireside, its server, Python and PySpark.

    \b
    Examples:
      fireside version
      fireside version --json
    """
    from fireside import __version__
    from fireside.client.caller import pyspark_version

    asked = target.running_client()
    facts = {
        "fireside": __version__,
        "server": None if asked is None else asked.version().version,
        "python": platform.python_version(),
        "pyspark": pyspark_version(),
    }
    if as_json:
        output.show_json(facts)
        return
    for name, value in facts.items():
        output.say(f"{name + ':':<10}{value or ('not running' if name == 'server' else 'not installed')}")
