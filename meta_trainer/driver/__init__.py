"""The process that carries out one attempt of one job: `python -m meta_trainer.driver`."""
