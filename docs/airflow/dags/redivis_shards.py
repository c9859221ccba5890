"""One mapped task for each shard, then one run over the whole.

Each shard sees every n-th file and row source and has its own state and lock. No
shard deletes, releases or judges `expect`: the last run does, and verifies all.
"""

from __future__ import annotations

import json
import os
from datetime import datetime

from airflow.sdk import DAG, Param
from redivis_ingest import ENV, RETRIES, IngestOperator

SHARDS = int(os.environ.get("INGEST_SHARDS", "8"))

with DAG(
    dag_id="redivis_shards",
    schedule=None,
    start_date=datetime(2025, 1, 1),
    catchup=False,
    max_active_runs=1,
    params={"manifest": Param("/srv/ingest/manifest.yaml", type="string")},
):
    shards = IngestOperator.partial(
        task_id="shard",
        # 10 calls a second are for all shards together; see docs/scale.md.
        bash_command='redivis-ingest run "$MANIFEST" --format json --lock-timeout 2m',
        output_processor=json.loads,
        append_env=True,
        max_active_tis_per_dagrun=4,
        map_index_template="{{ task.env['REDIVIS_INGEST_SHARD'] }}",
        **RETRIES,
    ).expand(env=[ENV | {"REDIVIS_INGEST_SHARD": f"{i}/{SHARDS}"} for i in range(SHARDS)])

    whole = IngestOperator(
        task_id="whole",
        bash_command='redivis-ingest run "$MANIFEST" --format json --lock-timeout 2m',
        output_processor=json.loads,
        env=ENV,
        append_env=True,
        **RETRIES,
    )

    shards >> whole
