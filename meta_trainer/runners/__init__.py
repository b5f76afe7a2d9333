"""Where units of work run: in this process, or on a Ray cluster. Both give the same numbers."""

from meta_trainer.runners.base import Agents, Handle, NoRoom, Runner, WorkLost, WorkRefused
from meta_trainer.runners.in_process import InProcessRunner

__all__ = ["Agents", "Handle", "InProcessRunner", "NoRoom", "Runner", "WorkLost", "WorkRefused"]
