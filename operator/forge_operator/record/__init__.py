"""Recording: what the picture learns about AnalysisJobs reaches PostgreSQL, in batches, and is told exactly once."""
