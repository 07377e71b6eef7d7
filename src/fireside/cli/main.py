"""The `fireside` command: which commands there are, where they live, and how errors leave the process.

A command is imported when it is called. Errors are caught in one place, printed as one block on stderr and turned
into the exit status of the table in :data:`fireside.wire.ERRORS`; see ``docs/reference/cli.md``.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fireside.errors import FiresideError, InvalidSpec

UsageError: Any = typer.BadParameter.__mro__[1]
INTERRUPTED = 130

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Run clusters": ("up", "ps", "status", "scale", "restart", "down", "purge"),
    "Use them": ("sql", "run", "shell", "env", "open"),
    "Look closer": ("logs", "events", "test", "ping"),
    "Plan and check": ("explain", "schema"),
    "Fireside itself": ("server", "version"),
}
"""Commands as `fireside --help` groups them."""

HOMES: Mapping[str, str] = {
    "up": "up:up",
    "ps": "look:ps",
    "status": "look:status",
    "scale": "change:scale",
    "restart": "change:restart",
    "down": "end:down",
    "purge": "end:purge",
    "sql": "use:sql",
    "run": "use:run",
    "shell": "use:shell",
    "env": "use:env",
    "open": "use:open_pages",
    "logs": "follow:logs",
    "events": "follow:events",
    "test": "check:try_out",
    "ping": "check:ping",
    "explain": "explain:explain",
    "schema": "explain:schema",
    "server": "server:app",
    "version": "server:version",
}
"""Command → `module:function` below `fireside.cli`."""

_SETTINGS: Mapping[str, dict[str, Any]] = {
    # What follows the script belongs to the script, flags included.
    "run": {"allow_interspersed_args": False},
}


class Commands(TyperGroup):
    """The group of all commands, each imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the signature is typer's
        """Return the names in the order of the help."""
        return [name for names in SECTIONS.values() for name in names]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and return a command, or None."""
        if cmd_name not in HOMES:
            return None
        module, _, attribute = HOMES[cmd_name].partition(":")
        target = getattr(importlib.import_module(f"fireside.cli.{module}"), attribute)
        if isinstance(target, typer.Typer):
            return typer.main.get_command(target)  # a group of its own
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        settings = {"help_option_names": ["-h", "--help"], **_SETTINGS.get(cmd_name, {})}
        app.command(cmd_name, context_settings=settings)(target)
        command = typer.main.get_command(app)
        _decide_flags(command.get_params(ctx))
        return command

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the group's own parameters."""
        return _decide_flags(super().get_params(ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the arguments call; name the nearest when there is none."""
        if args[0] not in HOMES and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], HOMES, 1, cutoff=0.7)
            ctx.fail(f"No such command {args[0]!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands section by section."""
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, self.get_command(ctx, name).get_short_help_str(80)) for name in names])

    def invoke(self, ctx: Any) -> Any:
        """Run the command; end with the exit status that its error stands for."""
        json_wanted = "--json" in ctx.args  # flags that cannot be read leave no note of those that could
        try:
            return super().invoke(ctx)
        except FiresideError as error:
            from fireside.cli import output

            raise typer.Exit(output.report(error, as_json=output.wants_json(ctx))) from error
        except UsageError as error:
            raise typer.Exit(_misused(error, as_json=json_wanted)) from error
        except KeyboardInterrupt as error:
            typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from error
        except BrokenPipeError as error:
            # The reader went away (`fireside logs | head`): that is how they say enough. Python would complain
            # about the flush at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from error


def _decide_flags(parameters: list[Any]) -> list[Any]:
    """Give flags that nobody set the value that they mean, and return them.

    For a flag without a value typer builds a converter, for which it imports pydantic: half of a listing's time.
    """
    for parameter in parameters:
        if getattr(parameter, "is_flag", False) and parameter.default is None:
            parameter.default = False
    return parameters


def _misused(error: Any, *, as_json: bool) -> int:
    """Print a wrong use of flags in the shape of all errors, and return the exit status."""
    from fireside.cli import output

    hint = None if error.ctx is None else f"see {error.ctx.command_path} --help"
    return output.report(InvalidSpec(error.format_message(), hint=hint), as_json=as_json)


app = typer.Typer(
    cls=Commands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # its tracebacks print local variables, tokens among them
    context_settings={"help_option_names": ["-h", "--help"]},
)


def callers_environment() -> dict[str, str]:
    """Return the environment for a program of the owner: without what `main` set for this process alone."""
    return {name: value for name, value in os.environ.items() if name != _NO_PLUGINS}


def _show_version(wanted: bool) -> None:
    if wanted:
        from fireside import __version__

        typer.echo(f"fireside {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def fireside(
    ctx: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version.")
    ] = False,
) -> None:
    """Run an Apache Spark cluster of your own: `fireside up`.

    \b
    Examples:
      fireside up                                # a cluster fitted to this machine
      fireside sql "select count(*) from range(1000)"
      fireside run job.py                        # a script as a Spark Connect client
      fireside down
    """
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


_NO_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"


def main() -> None:
    """Run the command line."""
    # Looking for plugins of pydantic reads the metadata of every installed package: a tenth of a listing's time.
    os.environ.setdefault(_NO_PLUGINS, "1")
    app(prog_name="fireside")
