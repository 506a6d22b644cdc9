"""`python -m forge_clones`: the clone cache (program.py)."""

from forge_core.starting import start

if __name__ == "__main__":
    start("forge_clones.program")
