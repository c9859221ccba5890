"""Plans, branches on the plan, and does exactly what was planned.

    plan -> has_changes -> run
                        -> nothing_to_do

Between `plan` and `run` somebody may look at the plan: give the pool
`redivis_writes` no slots, or put an ApprovalOperator there. What changed since
then is refused: `run` ends with exit code 4. Then clear `plan` and what is
downstream of it.
"""

from __future__ import annotations

import json
import os
from datetime import datetime

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param, task
from redivis_ingest import ENV, RETRIES, IngestOperator

# Where both tasks can reach it: with several machines, on a shared volume.
PLANS = os.environ.get("INGEST_PLANS", "/srv/ingest/plans")
PLAN_ENV = ENV | {"PLAN": PLANS + "/{{ dag.dag_id }}-{{ run_id }}.ndjson"}

with DAG(
    dag_id="redivis_plan",
    schedule=None,
    start_date=datetime(2025, 1, 1),
    catchup=False,
    max_active_runs=1,
    params={"manifest": Param("/srv/ingest/manifest.yaml", type="string")},
):
    plan = IngestOperator(
        task_id="plan",
        # GET and HEAD only. The last line of the JSON is the plan's totals.
        bash_command='redivis-ingest plan "$MANIFEST" -o "$PLAN" --format json',
        output_processor=json.loads,
        env=PLAN_ENV,
        append_env=True,
        **RETRIES,
    )

    @task.branch
    def has_changes(totals: dict) -> str:
        """Which way to go. A conflict is not a reason to stop here: `run` tells it."""
        idle = {"unchanged", "extra", "skipped"}
        deletes = totals["delete"]["items"]
        changes = any(name not in idle for name in totals["classes"])
        return "run" if changes or deletes else "nothing_to_do"

    run = IngestOperator(
        task_id="run",
        bash_command=(
            'redivis-ingest run "$MANIFEST" --plan "$PLAN" --format json --lock-timeout 2m'
        ),
        output_processor=json.loads,
        pool="redivis_writes",
        env=PLAN_ENV,
        append_env=True,
        **RETRIES,
    )

    has_changes(plan.output) >> [run, EmptyOperator(task_id="nothing_to_do")]
