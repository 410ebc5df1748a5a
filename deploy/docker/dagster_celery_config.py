"""Settings of the Celery workers that run syncs; dagster_celery.app looks for a module of this name."""

import os

broker_url = os.environ["CELERY_BROKER"]
result_backend = os.environ["CELERY_BROKER"]
# A worker takes the next run when it has room for it, and not before: another one may be free.
worker_prefetch_multiplier = 1
# A process for each run: what it has loaded is as old as the run.
worker_max_tasks_per_child = 1
# A run that waits here for longer would be started once more.
broker_transport_options = {"visibility_timeout": 7 * 24 * 3600}
