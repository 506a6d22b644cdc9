"""`make crds`: the kinds' schemas of `config` go into the AnalysisJob's definition, and the definitions into the chart.

Each kind describes the fields of its `config` in job-images/<kind>/config.yaml (`properties` of an OpenAPI schema). A
field that two kinds have means the same to the API server, so its schema must be the same; its descriptions are joined.
With `--check` nothing is written: it says what is stale and ends with 1.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

BEGIN = "# begin: from job-images/*/config.yaml, by `make crds`"
END = "# end"
DEFINITION = "crds/forge-factory.dev_analysisjobs.yaml"
CHART = "helm/forge-jobs/crds"
LINE = 108


class _Dumper(yaml.SafeDumper):
    """Long sentences folded, as a person writes them."""


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=">" if len(text) > 80 else None)


_Dumper.add_representer(str, _text)


def schema(root: Path) -> dict[str, Any]:
    """All fields of `config`, in the order of the kinds and of their files. SystemExit where two kinds disagree."""
    found: dict[str, Any] = {}
    for file in sorted(root.glob("job-images/*/config.yaml")):
        for name, field in (yaml.safe_load(file.read_text()) or {}).items():
            before = found.get(name)
            if before is not None and _rules(before) != _rules(field):
                raise SystemExit(f"{file.relative_to(root)}: `{name}` has another schema in another kind: rename it")
            words = [each["description"].strip() for each in (before, field) if each is not None]
            found[name] = {**field, "description": " ".join(words)}
    return found


def _rules(field: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in field.items() if key != "description"}


def composed(text: str, fields: dict[str, Any]) -> str:
    """The definition's text with these fields between the marks."""
    before, begin, rest = text.partition(BEGIN + "\n")
    _, end, after = rest.partition(END + "\n")
    if not begin or not end:
        raise SystemExit(f"{DEFINITION} has lost its marks `{BEGIN}` and `{END}`")
    indent = before[before.rindex("\n") + 1 :]
    new = yaml.dump(fields, Dumper=_Dumper, sort_keys=False, width=LINE - len(indent), allow_unicode=True)
    lines = [f"{indent}{line}\n" if line else "\n" for line in new.splitlines()]
    return f"{before}{BEGIN}\n{''.join(lines)}{indent}{END}\n{after}"


def wanted(root: Path) -> dict[Path, str]:
    """What each file should hold."""
    definition = root / DEFINITION
    texts = {file: file.read_text() for file in sorted((root / "crds").glob("*.yaml"))}
    texts[definition] = composed(texts[definition], schema(root))
    return texts | {root / CHART / file.name: text for file, text in texts.items()}


def main(root: Path, *arguments: str) -> int:
    """Write, or with `--check` only compare."""
    files = wanted(root)
    stale = [file for file, text in files.items() if not file.exists() or file.read_text() != text]
    if "--check" in arguments:
        for file in stale:
            print(f"{file.relative_to(root)} is stale: run `make crds`")  # noqa: T201
        return 1 if stale else 0
    for file in stale:
        file.write_text(files[file])
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent.parent, *sys.argv[1:]))
