"""The server's log: structlog and the standard library's loggers as one stream, with secrets taken
out.

Every line of a request carries its `request_id`. Whatever is logged, by us or by a library, passes
`redact` last: what looks like an API key, a password in a URL or a bearer token, and whatever
stands under a name like `password`.
"""

from __future__ import annotations

import logging
import logging.config
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

REDACTED: Final = "[redacted]"

_SECRET_NAMES: Final = re.compile(
    r"(?i)(^|_)(authorization|password|passwd|secret|token|api_?key|cookie)s?$"
)
_SECRET_TEXTS: Final = (
    (re.compile(r"\b(ha_[a-z0-9]{8}_)[a-z0-9]+"), rf"\g<1>{REDACTED}"),
    (re.compile(r"(://[^\s/:@]*:)[^\s/@]+(?=@)"), rf"\g<1>{REDACTED}"),
    (re.compile(r"(?i)\b(bearer\s+)[a-z0-9._~+/=-]{16,}"), rf"\g<1>{REDACTED}"),
)


def configure_logs(*, as_json: bool, level: int = logging.INFO) -> None:
    """Send everything to stderr in one form. For entry points; libraries and tests leave logging as
    it is."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,
            sort_keys=False,
        )
    )
    last: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta
    ]
    last += [structlog.processors.format_exc_info] if as_json else []
    last += [redact, renderer]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_common(), processors=last)
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.getLogger(
        "uvicorn.access"
    ).disabled = True  # our own line says more, and knows the request id
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    use_standard_loggers()


def use_standard_loggers() -> None:
    """Make structlog hand its events to the standard library's loggers, which decide where they
    go."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_common(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The event without secrets, at any depth."""
    return {name: _clean(name, value) for name, value in event.items()}


def _common() -> list[structlog.typing.Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _clean(name: str, value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if _SECRET_NAMES.search(name):
        return REDACTED
    if isinstance(value, dict):
        return {key: _clean(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(name, item) for item in value]
    if isinstance(value, str):
        for pattern, replacement in _SECRET_TEXTS:
            value = pattern.sub(replacement, value)
    return value
