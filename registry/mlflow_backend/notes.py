"""What people and evaluations say about a version: MLflow's own description and tags, and tags of
ours with summaries.

None of it is ever read from a cache: another process may have just changed it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC

from hyperadam.names import check_name

from registry import checks
from registry.mlflow_backend.connection import Store
from registry.mlflow_backend.errors import translate_errors
from registry.mlflow_backend.version_tags import EVALUATION_PREFIX, SIGNATURE_TAG, free_tags
from registry.mlflow_backend.versions import Versions
from registry.records import Evaluation, Version


class Notes:
    """Changes of descriptions, tags and attached evaluations."""

    def __init__(self, store: Store, versions: Versions) -> None:
        self._store = store
        self._versions = versions

    def annotate(
        self,
        optimizer: str,
        number: int,
        description: str | None,
        changes: Mapping[str, str | None] | None,
    ) -> Version:
        if description is not None:
            checks.check_description(description)
        check_name(optimizer, "optimizer")
        self._versions.by_number(optimizer, number)

        client = self._store.client
        version = (optimizer, str(number))
        with translate_errors(), self._store.locks.hold(optimizer):
            before = free_tags(self._versions.by_number(optimizer, number).tags)
            after = checks.merge_tags(before, changes)
            for name in sorted(before.keys() - after.keys()):
                client.delete_model_version_tag(*version, key=name)
            for name in sorted(after):
                if before.get(name) != after[name]:
                    client.set_model_version_tag(*version, key=name, value=after[name])
            if description is not None:
                client.update_model_version(*version, description=description)
        return self._versions.by_ref(optimizer, str(number))

    def sign(self, optimizer: str, number: int, signature: str) -> Version:
        checks.check_signature(signature)
        check_name(optimizer, "optimizer")
        self._versions.by_number(optimizer, number)
        with translate_errors(), self._store.locks.hold(optimizer):
            self._store.client.set_model_version_tag(
                optimizer, str(number), key=SIGNATURE_TAG, value=signature
            )
        return self._versions.by_ref(optimizer, str(number))

    def attach(self, optimizer: str, number: int, evaluation: Evaluation) -> Version:
        summary = json.loads(checks.encode_summary(evaluation))
        time = evaluation.evaluated_at.astimezone(UTC).isoformat(timespec="milliseconds")
        record = json.dumps({"time": time, "summary": summary}, ensure_ascii=False)
        check_name(optimizer, "optimizer")
        self._versions.by_number(optimizer, number)

        client = self._store.client
        version = (optimizer, str(number))
        tag = EVALUATION_PREFIX + evaluation.key
        with translate_errors(), self._store.locks.hold(optimizer):
            client.set_model_version_tag(*version, key=tag, value=record)
            evaluations = self._versions.by_ref(optimizer, str(number)).evaluations
            for oldest in evaluations[: -checks.MAX_EVALUATIONS]:
                client.delete_model_version_tag(*version, key=EVALUATION_PREFIX + oldest.key)
        return self._versions.by_ref(optimizer, str(number))
