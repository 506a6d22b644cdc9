"""The contract between the programs: names, resources, messages and three adapters (cluster, history, progress)."""
