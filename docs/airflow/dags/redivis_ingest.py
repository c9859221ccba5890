"""What the DAGs beside this file share. Copy it into your DAG folder with them."""

from __future__ import annotations

import os
from datetime import timedelta

from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from airflow.providers.standard.operators.bash import BashOperator

# What each task gets besides the worker's own environment (`append_env=True`).
ENV = {
    # The connection `redivis`: its password is the token, its host the API's
    # address. Airflow masks a connection's password in logs and in the UI.
    "REDIVIS_API_TOKEN": "{{ conn.redivis.password }}",
    "REDIVIS_API_ENDPOINT": "{{ conn.redivis.host or 'https://redivis.com/api/v1' }}",
    # One folder for each worker, on its own disk. Losing it costs time only.
    "REDIVIS_INGEST_STATE_DIR": os.environ.get(
        "REDIVIS_INGEST_STATE_DIR", "/var/lib/redivis-ingest"
    ),
    # As a parameter of the DAG run. It reaches the shell as a variable, so that
    # nothing in it is taken for shell code.
    "MANIFEST": "{{ params.manifest }}",
}

# A run that ended early goes on where it was, so a retry is never wasted.
RETRIES = {
    "retries": 3,
    "retry_delay": timedelta(seconds=int(os.environ.get("INGEST_RETRY_SECONDS", "120"))),
}

# Exit codes that the same command would end with again; see docs/exit-codes.md.
# 126 and 127 are the shell's: the program cannot be started, or is not there.
FINAL = {1, 3, 4, 5, 64, 66, 69, 74, 77, 78, 126, 127}


class IngestOperator(BashOperator):
    """A BashOperator that does not retry what a retry cannot mend.

    A BashOperator retries every exit code but the one that skips. This one fails
    at once on a final code. All others are retried: 6, 75, 130, 143, and whatever
    else ended the process, such as a SIGKILL for want of memory.
    """

    def execute(self, context):
        result = self.subprocess_hook.run_command(
            command=["bash", "-c", self.bash_command],
            env=self.get_env(context),
            cwd=self.cwd,
        )
        code = result.exit_code
        if code == 0:
            return self.output_processor(result.output)
        if code in self.skip_on_exit_code:
            raise AirflowSkipException(f"nothing to do (exit code {code})")
        if code in FINAL:
            raise AirflowFailException(f"exit code {code}: a retry would end the same")
        raise AirflowException(f"exit code {code}: to be tried again")
