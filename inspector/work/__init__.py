"""What jobs do: examining and teaching, what-if, the health check, backup and log bundle.

Each is a function of a `JobContext` that returns what stands in the job's result. `verbs_job` has the table of them.
"""
