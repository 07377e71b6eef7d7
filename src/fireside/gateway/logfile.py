"""The server's log: one JSON object a line, 0600, rotated by size.

A line has the time, the level, a sentence (`message`) and, where the author gave one, a stable name (`event_name`).
Code logs through structlog or the standard library; both end here. Values are never logged, only names, ids and
counts: there is no secret to leave out.
"""

from __future__ import annotations

import logging
import os
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import Processor

from fireside.settings import Settings

_QUIET = ("httpx", "httpcore", "asyncio", "alembic", "sqlalchemy", "uvicorn.error")


_FACTS: tuple[Processor, ...] = (
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


class _PrivateFile(RotatingFileHandler):
    def _open(self) -> Any:
        return os.fdopen(os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a")


def configure(path: Path, settings: Settings) -> None:
    """Send every log line of this process to `path`."""
    handler = _PrivateFile(path, maxBytes=settings.log_bytes, backupCount=settings.log_files)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_FACTS, structlog.stdlib.ExtraAdder(allow=["event_name"])],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.EventRenamer("message"),
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    structlog.configure(
        processors=[*_FACTS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
