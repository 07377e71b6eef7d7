"""Why nodes died, from lines that Spark and its JVMs really write."""

from __future__ import annotations

import pytest

from fireside.backends.local.reasons import NOT_SEEN, Reason, explain

BIND = (
    "java.net.BindException: bind(..) failed with error(-98): Address already in use: Service 'sparkMaster' failed "
    "after 0 retries (starting from 7077)! Consider explicitly setting the appropriate port for the service"
)

REFUSED_OPTION = (
    "Unrecognized VM option 'NoSuchFlag'\nError: Could not create the Java Virtual Machine.\n"
    "Error: A fatal exception has occurred. Program will exit.\n"
)

STACK = (
    "java.lang.IllegalStateException: broken\n\tat a.b.C(D.java:1)\n\t... 3 more\n"
    "2026-11-21 13:00:00.000 INFO ShutdownHookManager: Shutdown hook called"
)


def of(exit_code: int | None, text: str) -> Reason:
    return explain(exit_code, text, lambda port: "pid 812 (nc)")


@pytest.mark.parametrize(
    ("exit_code", "text", "reason"),
    [
        (1, BIND, Reason("port 7077 taken by pid 812 (nc)")),
        (None, BIND, Reason("port 7077 taken by pid 812 (nc)")),
        (-9, "", Reason("killed by signal 9")),
        (-9, "java.lang.OutOfMemoryError", Reason("killed by signal 9")),
        (-11, "", Reason("killed by signal 11")),
        (143, "ERROR Master: RECEIVED SIGNAL TERM", Reason("ended by signal 15")),
        (1, "java.lang.OutOfMemoryError: Java heap space", Reason("its heap was too small: OutOfMemoryError")),
        (1, "java.io.IOException: No space left on device", Reason("the disk is full: No space left on device")),
        (
            1,
            "java.lang.UnsupportedClassVersionError: org/apache/spark/X has been compiled by a more recent version",
            Reason("this Java is too old for this Spark", permanent=True),
        ),
        (
            1,
            "java.lang.UnsupportedOperationException: getSubject is not supported",
            Reason("this Java is too new for this Spark", permanent=True),
        ),
        (
            1,
            "2026-11-21 13:00:00.000 ERROR Worker: All masters are unresponsive! Giving up.",
            Reason("no master answered it"),
        ),
        (
            1,
            REFUSED_OPTION,
            Reason("Java refuses its options: Unrecognized VM option 'NoSuchFlag'", permanent=True),
        ),
        (
            1,
            "Error occurred during initialization of VM\nCould not find agent library nosuch on the library path",
            Reason("ended with exit code 1: Could not find agent library nosuch on the library path"),
        ),
        (None, "", Reason(NOT_SEEN)),
        (None, "2026-11-21 13:00:00.000 INFO Master: fine", Reason(NOT_SEEN)),
        (3, "", Reason("ended with exit code 3")),
        (0, "bye", Reason("ended with exit code 0: bye")),
        (
            1,
            STACK,
            Reason("ended with exit code 1: java.lang.IllegalStateException: broken"),
        ),
        (
            1,
            "2026-11-21 13:00:00.000 ERROR SparkContext: not so\n",
            Reason("ended with exit code 1: ERROR SparkContext: not so"),
        ),
    ],
)
def test_the_cause_is_said_in_one_sentence(exit_code: int | None, text: str, reason: Reason) -> None:
    assert of(exit_code, text) == reason


def test_long_lines_are_cut() -> None:
    assert len(of(1, "Error: " + "x" * 10_000).sentence) < 300
