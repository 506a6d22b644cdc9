"""`python -m forge_api`: the API (program.py)."""

from forge_core.starting import start

if __name__ == "__main__":
    start("forge_api.program")
