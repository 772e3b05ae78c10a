"""An Airflow DAG: a chain of CHAIN_STEPS empty operators."""

import datetime
import os

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

steps = int(os.environ.get("CHAIN_STEPS", "1"))
with DAG(f"chain_{steps}", schedule=None, start_date=datetime.datetime(2024, 1, 1)) as dag:
    previous = None
    for i in range(steps):
        task = EmptyOperator(task_id=f"s{i}")
        if previous is not None:
            previous >> task
        previous = task
