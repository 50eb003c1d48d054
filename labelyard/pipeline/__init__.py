"""The steps of the pipeline, one module each. A step takes a Context or a BatchLease and knows nothing of Prefect.

    bucket ─▶ register_objects ─▶ close_batches ─▶ publish_events
                                                        │
              ┌───────────── ingest-batch ◀─────────────┘
              ▼
        acquire_batch ─▶ create_task ─▶ upload_data ─▶ wait_for_status ─▶ assign_jobs
                                                                               │
              publish_events ◀─ collect_finished ◀─ people label in CVAT ◀─────┘
                    │
                    └─▶ export-task: acquire_batch ─▶ export_annotations ─▶ bucket ─▶ release_dataset ─▶ bucket

Each step first reads from the ledger and from CVAT what has already been done. So each may run again at any time: after
a crash, beside another run, or started by a person.
"""
