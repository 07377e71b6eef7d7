"""`fireside test` and `fireside ping`: does it compute, and which hop of the way is broken?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from fireside.cli import options, output, target

if TYPE_CHECKING:
    from fireside.client.ping import Hop
    from fireside.client.smoke import CheckResult

Limit = Annotated[str, typer.Option("--timeout", metavar="TIME", help="Give each step at most so long.")]


def try_out(name: options.Name = None, timeout: Limit = "60s", as_json: options.Json = False) -> None:
    """Compute something on a cluster: SQL, a DataFrame, the pandas API, Pi. Each is timed and its answer checked.

    The exit status is 1 when one fails.

    \b
    Examples:
      fireside test
      fireside test etl --json
    """
    from fireside.client.smoke import smoke

    limit = options.seconds(timeout) or 0.0
    server = target.client()
    results: list[CheckResult] = []
    with target.session(server.connection(target.pick(server, name))) as spark:
        for result in smoke(spark, timeout=limit):
            results.append(result)
            if not as_json:
                output.say(_line(result.ok, result.name, result.seconds, result.detail))
    if as_json:
        output.show_json([asdict(result) for result in results])
    if not all(result.ok for result in results):
        raise typer.Exit(1)


def ping(name: options.Name = None, timeout: Limit = "30s", as_json: options.Json = False) -> None:
    """Go the way to a cluster hop by hop: DNS, TCP, gRPC, session, first rows. Each is timed.

    Stops at the hop that fails, says what to do, and ends with the exit status of that error.

    \b
    Examples:
      fireside ping
      fireside ping etl --timeout 5s
    """
    from fireside.client.ping import ping as hops

    limit = options.seconds(timeout) or 0.0
    server = target.client()
    connection = server.connection(target.pick(server, name))
    gone: list[Hop] = []
    for hop in hops(connection, timeout=limit):
        gone.append(hop)
        if not as_json:
            output.say(_line(hop.ok, hop.name, hop.seconds, hop.detail))
    if as_json:
        output.show_json(
            [{"name": hop.name, "ok": hop.ok, "seconds": hop.seconds, "detail": hop.detail} for hop in gone]
        )
    if gone[-1].error is not None:
        raise gone[-1].error


def _line(ok: bool, name: str, seconds: float, detail: str) -> str:
    return f"{'ok' if ok else 'FAILED':<6}  {name:<10}  {seconds * 1000:>7.0f} ms  {detail}"
