"""The server's log: structlog and the standard library's loggers as one stream, without secrets.

Every line of a request carries its `request_id`. Whatever is logged, by us or by a library, passes
`redact` last. That takes out what looks like an API key, a password in a URL or a bearer token, and
whatever stands under a name like `password`.
"""

from __future__ import annotations

import logging
import logging.config
import re
import sys
from collections.abc import MutableMapping
from io import StringIO
from typing import Any, Final, TextIO

import structlog
from hyperadam.plain_text import make_plain
from structlog.typing import ExcInfo, Processor

from services.observability.log_limits import LineLimit

REDACTED: Final = "[redacted]"

_SECRET_NAMES: Final = re.compile(
    r"(?i)(^|_)(authorization|password|passwd|secret|token|api_?key|cookie)s?$"
)
_SECRET_TEXTS: Final = (
    (re.compile(r"\b(ha_[a-z0-9]{8}_)[a-z0-9]+"), rf"\g<1>{REDACTED}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), REDACTED),
    (re.compile(r"(://[^\s/:@]*:)[^\s/@]+(?=@)"), rf"\g<1>{REDACTED}"),
    (re.compile(r"(?i)\b(bearer\s+)[a-z0-9._~+/=-]{16,}"), rf"\g<1>{REDACTED}"),
)


def configure_logs(
    *,
    as_json: bool,
    level: int = logging.INFO,
    lines_per_second: float = 0.0,
    handler: logging.Handler | None = None,
) -> None:
    """Send everything to stderr, or to another handler, in one form.

    This is for entry points; libraries and tests leave logging as it is.

    Args:
        lines_per_second: of one kind, at most; 0: as many as come.
    """
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_common_processors(),
        processors=_last_processors(as_json=as_json, colors=handler is None),
    )
    handler = handler or logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    handler.addFilter(LineLimit(lines_per_second))
    logging.basicConfig(handlers=[handler], level=level, force=True)

    # our own line says more, and knows the request id
    logging.getLogger("uvicorn.access").disabled = True
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    use_standard_loggers()


def use_standard_loggers() -> None:
    """Make structlog hand its events to the standard library's loggers.

    Those decide where the events go.
    """
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_common_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The event without secrets, at any depth."""
    return {name: _redact_value(name, value) for name, value in event.items()}


def _last_processors(*, as_json: bool, colors: bool) -> list[Processor]:
    """What turns an event, of whatever source, into a line without secrets."""
    remove_metadata = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if as_json:
        return [
            remove_metadata,
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(),
        ]

    renderer = structlog.dev.ConsoleRenderer(
        colors=colors and sys.stderr.isatty(),
        exception_formatter=_format_exception,
        sort_keys=False,
    )
    return [remove_metadata, redact, renderer]


def _common_processors() -> list[Processor]:
    """What every event passes first."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _redact_value(name: str, value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if _SECRET_NAMES.search(name):
        return REDACTED
    if isinstance(value, dict):
        return {key: _redact_value(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redact_value(name, item) for item in value]
    if isinstance(value, str):
        for pattern, replacement in _SECRET_TEXTS:
            value = pattern.sub(replacement, value)
        return make_plain(value)
    return value


def _format_exception(stream: TextIO, exc_info: ExcInfo) -> None:
    """A traceback whose texts, which may be of others, are plain."""
    buffer = StringIO()
    structlog.dev.plain_traceback(buffer, exc_info)
    stream.write(make_plain(buffer.getvalue()))
