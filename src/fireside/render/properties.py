"""Files in the format of ``java.util.Properties``, which Spark and log4j read."""

from __future__ import annotations

from collections.abc import Mapping

_NAMED = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f", "\\": "\\\\"}
_SPECIAL = frozenset("=:#!")


def properties(values: Mapping[str, str]) -> str:
    """Return `values` as a properties file, sorted, ASCII only; reading it gives the same keys and values.

    Spark itself trims blanks at both ends of a value after reading.
    """
    return "".join(f"{_escaped(key, key=True)}={_escaped(values[key], key=False)}\n" for key in sorted(values))


def _escaped(text: str, *, key: bool) -> str:
    blanks = len(text) if key else len(text) - len(text.lstrip(" "))
    return "".join(_character(c, blank=index < blanks) for index, c in enumerate(text))


def _character(character: str, *, blank: bool) -> str:
    if character in _NAMED:
        return _NAMED[character]
    if character in _SPECIAL or (character == " " and blank):
        return "\\" + character
    if " " <= character <= "~":
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


# Everything goes to standard error as plain text; who starts the process keeps and rotates it. Executors of a worker
# read the worker's file. The loggers named here speak at length of what is normal with a metastore of one's own.
LOG4J2 = """\
rootLogger.level = info
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{yyyy-MM-dd HH:mm:ss.SSS} %p %c{1}: %m%n%ex
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
logger.metastore.name = org.apache.hadoop.hive.metastore
logger.metastore.level = error
logger.hive.name = org.apache.hadoop.hive.conf.HiveConf
logger.hive.level = error
logger.session.name = org.apache.hadoop.hive.ql.session.SessionState
logger.session.level = error
logger.datanucleus.name = DataNucleus
logger.datanucleus.level = error
"""
