"""Retries what is temporary, and fails at once on what is not."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from airflow.sdk import DAG, Param
from redivis_ingest import ENV, RETRIES, IngestOperator

with DAG(
    dag_id="redivis_retries",
    schedule=None,
    start_date=datetime(2025, 1, 1),
    catchup=False,
    max_active_runs=1,
    params={"manifest": Param("/srv/ingest/manifest.yaml", type="string")},
):
    IngestOperator(
        task_id="ingest",
        # The program stops by itself, cleanly, before Airflow would stop it:
        # exit code 75, which is retried.
        bash_command=(
            'redivis-ingest run "$MANIFEST" --format json --lock-timeout 2m --deadline 55m'
        ),
        execution_timeout=timedelta(hours=1),
        output_processor=json.loads,
        env=ENV,
        append_env=True,
        **RETRIES,
    )
