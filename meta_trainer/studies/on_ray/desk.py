"""Where all trials of a study ask, from whatever machine."""

from __future__ import annotations

from meta_trainer.studies.shared_kernel import SharedKernel


class Desk(SharedKernel):
    """Says whether trials are to stop, and which kernel they share. An actor of Ray, which answers
    one at a time."""

    def __init__(self, kernel: str | None) -> None:
        super().__init__(kernel)
        self._are_to_stop = False

    def stop_trials(self) -> None:
        self._are_to_stop = True

    def are_to_stop(self) -> bool:
        return self._are_to_stop
