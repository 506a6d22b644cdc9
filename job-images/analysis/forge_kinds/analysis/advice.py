"""What to do first about a rule, in a sentence: own words where a rule deserves them, its family's otherwise."""

from typing import Final

from forge_kinds.analysis.rules import Rule

_BY_RULE: Final = {
    "BLE001": "Name the exceptions that the call can raise; where anything must be caught, log it with its traceback.",
    "E722": "Name the exceptions that the call can raise: a bare except also catches Ctrl-C and SystemExit.",
    "B006": "Make the default None and create the list or dict inside the function.",
    "B008": "Move the call out of the signature: it happens once, when the module is imported.",
    "B023": "Bind the loop's variable as a default argument or make a function of the body.",
    "C901": "Take the worst function and move its most deeply nested block into a function with a name.",
    "ERA001": "Delete it: the history keeps what was.",
    "F401": "Delete the import, or name it in __all__ when it is offered to others on purpose.",
    "F811": "Delete or rename one of the two: only the last one counts.",
    "F821": "Import or define the name; when the line runs, it raises NameError.",
    "F841": "Delete the assignment, keeping the call when its effect is wanted.",
    "PLR0911": "Turn the chain of returns into a table, or split the function at its first half.",
    "PLR0913": "Bundle the parameters that always travel together into one object.",
    "RUF006": "Keep a reference to the task until it ends: the event loop keeps only a weak one.",
    "RUF012": "Annotate it with ClassVar, or make it an attribute of the instance.",
    "S104": "Bind to the one address that is meant, from configuration.",
    "S108": "Use the tempfile module: a fixed name in a shared folder can be prepared by somebody else.",
    "S110": "Log the exception, or name the one that is expected and let the others through.",
    "S113": "Give the call a timeout: without one it waits for ever.",
    "S202": "Extract with filter='data' (Python 3.12 and 3.11.4), which refuses paths out of the folder.",
    "S301": "Unpickle only what this program wrote itself; read JSON from anybody else.",
    "S307": "Replace eval by ast.literal_eval for values, or by a table of what is allowed.",
    "S310": "Check that the URL's scheme is http or https before it is opened.",
    "S311": "Use the secrets module where the number must not be guessed; ignore it for simulations.",
    "S324": "Use SHA-256 where somebody may forge the input; pass usedforsecurity=False where nobody can.",
    "S501": "Take out verify=False, and give the private authority's certificate instead.",
    "S506": "Use yaml.safe_load.",
    "S602": "Pass a list of arguments and take out shell=True.",
    "S605": "Use subprocess.run with a list of arguments.",
    "S608": "Pass the values as parameters of the query instead of building them into its text.",
    "SIM115": "Open it in a with statement, so that it is closed on every way out.",
    "TRY400": "Use logging.exception inside the handler: it keeps the traceback.",
}
_BY_FAMILY: Final = {
    "S": "Find out whether anybody outside can reach the place with the most findings, and mend that one first.",
    "F": "Read the place with the most findings: each one is code that can't do what it says.",
    "PLE": "Read the place with the most findings: each one fails when it runs.",
    "ASYNC": "Move the blocking call to a thread (asyncio.to_thread): meanwhile nothing else runs.",
    "DTZ": "Pass a time zone (datetime.now(UTC)): naive times shift with the machine that runs them.",
    "B": "Read the place with the most findings first: these are likely bugs.",
    "SIM": "Simplify the place with the most findings, and go on while it is easy.",
}
_FIXABLE: Final = "Run `ruff check --select {code} --fix .` on a branch of its own and read the difference."


def first_step(rule: Rule, worst_path: str) -> str:
    """Where to begin, and with what."""
    if rule.first_step:
        step = rule.first_step
    elif rule.fixable:
        step = _FIXABLE.format(code=rule.id)
    else:
        family = _BY_FAMILY.get(rule.id.rstrip("0123456789"), "")
        step = _BY_RULE.get(rule.id) or family or "Mend the place with the most findings, then the next."
    return f"{step} Begin with {worst_path}." if worst_path else step
