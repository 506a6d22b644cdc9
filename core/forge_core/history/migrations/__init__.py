"""The schema's steps. `python -m forge_core.history.migrations` brings a database to the newest one."""
