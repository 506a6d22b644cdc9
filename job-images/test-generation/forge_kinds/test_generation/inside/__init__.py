"""What runs in the sandbox, beside the repository's code and as much at its mercy: measuring, searching, judging.

Nothing here is trusted by the runner. It imports the standard library, pytest, coverage, pynguin and hypothesis alone.
"""
