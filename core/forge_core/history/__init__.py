"""The history: the only place that speaks SQL. Rows of jobs, attempts, artefacts, repositories and the outbox.

One module a concern: `models` (the tables), `database` (the connection and its one error), `submissions` (the API
writes a row before the cluster knows), `records` (the operator writes what the cluster says), `attempts` (runners
claim and upload), `queries` (what people ask), `repositories` (what they registered), `migrations` (Alembic).
"""
