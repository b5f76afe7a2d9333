"""What keeps a backup from being made, or from being put back."""

from __future__ import annotations


class BackupError(Exception):
    """With a sentence for the operator."""
