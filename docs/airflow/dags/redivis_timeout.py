"""What happens without `--deadline`: Airflow ends the task in the middle.

The program gets SIGTERM, stores how far it came and ends. The retry goes on from
there, also in the middle of a large file. `--lock-timeout` covers the seconds in
which the first try is still ending.
"""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta

from airflow.sdk import DAG, Param
from redivis_ingest import ENV, RETRIES, IngestOperator

with DAG(
    dag_id="redivis_timeout",
    schedule=None,
    start_date=datetime(2025, 1, 1),
    catchup=False,
    max_active_runs=1,
    params={"manifest": Param("/srv/ingest/manifest.yaml", type="string")},
):
    IngestOperator(
        task_id="ingest",
        bash_command='redivis-ingest run "$MANIFEST" --format json --lock-timeout 2m',
        execution_timeout=timedelta(seconds=int(os.environ.get("INGEST_TRY_SECONDS", "3600"))),
        output_processor=json.loads,
        env=ENV,
        append_env=True,
        **RETRIES,
    )
