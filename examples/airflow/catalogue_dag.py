"""A catalogue every night with Airflow 3. Put both files into the DAGs folder.

The run directory knows what was paid for and is on a disk of the worker: so the queue `catalogue` has one worker.
25 USD is what that directory may cost over all nights together, not each night: when it is used up, the log warns every
night until it is raised.

The token is in the worker's environment (RUNCOMFY_TOKEN), or where the runcomfy command line writes it.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, task
from catalogue_task import edit_catalogue


@dag(
    schedule="0 22 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["runcomfy"],
)
def catalogue() -> None:
    """Edits what is not done yet."""

    @task(queue="catalogue", retries=5, retry_delay=timedelta(minutes=15), execution_timeout=timedelta(hours=9))
    def night() -> dict:
        """Tries again only where that helps."""
        choices = {"max_cost_usd": "25", "max_duration": "8h"}
        return edit_catalogue("/srv/catalogue/products.csv", "/srv/catalogue/runs/products", **choices)

    night()


catalogue()
