"""Skips itself, and all that comes after, when there is nothing to do."""

from __future__ import annotations

import json
from datetime import datetime

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Param, task
from redivis_ingest import ENV, RETRIES

with DAG(
    dag_id="redivis_skip",
    schedule=None,
    start_date=datetime(2025, 1, 1),
    catchup=False,
    max_active_runs=1,
    params={"manifest": Param("/srv/ingest/manifest.yaml", type="string")},
):
    ingest = BashOperator(
        task_id="ingest",
        bash_command=(
            'redivis-ingest run "$MANIFEST" --format json --lock-timeout 2m'
            " --no-change-exit-code 99"
        ),
        skip_on_exit_code=99,
        # The summary becomes an object, so that templates can say
        # {{ ti.xcom_pull(task_ids="ingest")["counts"]["files"] }}.
        output_processor=json.loads,
        env=ENV,
        append_env=True,
        **RETRIES,
    )

    @task
    def announce(summary: dict):
        """Runs only if something was delivered."""
        counts = summary["counts"]
        return f"{counts['files']} files and {counts['rows']} rows are new"

    announce(ingest.output)
