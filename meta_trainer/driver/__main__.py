"""`python -m meta_trainer.driver --run-id RUN --attempt K`: carry out one attempt of one job."""

from __future__ import annotations

from meta_trainer.driver.main import app

if __name__ == "__main__":
    app()
