"""`python -m forge_operator`: the operator (program.py)."""

from forge_core.starting import start

if __name__ == "__main__":
    start("forge_operator.program")
