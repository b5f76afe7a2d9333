"""The control plane: REST service, job store, reconciler and executors."""
