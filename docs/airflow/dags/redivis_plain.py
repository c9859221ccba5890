"""One task: make Redivis match the manifest. The least that is needed."""

from __future__ import annotations

from datetime import datetime

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Param
from redivis_ingest import ENV

with DAG(
    dag_id="redivis_plain",
    schedule=None,  # or "@daily"
    start_date=datetime(2025, 1, 1),
    catchup=False,
    max_active_runs=1,  # two runs of one manifest would wait for each other
    params={"manifest": Param("/srv/ingest/manifest.yaml", type="string")},
):
    BashOperator(
        task_id="ingest",
        # The last line is one line of JSON of at most 48 KB: the task's XCom.
        bash_command='redivis-ingest run "$MANIFEST" --format json --lock-timeout 2m',
        env=ENV,
        append_env=True,
    )
