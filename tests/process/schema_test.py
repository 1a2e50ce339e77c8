"""`segue schema` against a validator that others wrote: every document of the shipped library and of the shared example fits,
broken ones do not."""

import copy
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import jsonschema
import yaml

from harness import SEGUE, check

ROOT = Path(__file__).resolve().parents[2]


class Loader(yaml.SafeLoader):
    """YAML 1.2 as editors read it: yes and on are words, dates are text."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in [
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
]:
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), first)


def documents(folder):
    for path in sorted(p for part in ("config", "rules", "templates") for p in (folder / part).rglob("*")):
        text = path.read_text() if path.is_file() else ""
        if path.suffix == ".md":
            _, keys, body = text.split("---\n", 2)
            yield path, {**yaml.load(keys, Loader), "body": body}
        elif path.suffix in (".yaml", ".yml"):
            for document in yaml.load_all(text, Loader):
                if document is not None:
                    yield path, document


def schema(*words):
    return json.loads(subprocess.run([SEGUE, "schema", *words], capture_output=True, text=True, check=True).stdout)


def places(value, path=()):
    """Every map within a document, by its path."""
    if isinstance(value, dict):
        yield path
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))


def at(value, path):
    for part in path:
        value = value[part]
    return value


# Where the author chooses the names, another one is no mistake; nor is another word in a value of free form.
FREE = {"traits", "customer", "account", "events", "channels", "audiences", "assignees", "consent", "topics", "people", "paths", "auth", "map", "features",
        "scores", "flags", "actions", "set", "use", "values", "variants", "cuts", "in_force", "accounts", "answer", "segment", "count", "event", "history"}


def main():
    whole = jsonschema.Draft7Validator(schema())
    jsonschema.Draft7Validator.check_schema(whole.schema)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([SEGUE, "schema", "--to", folder], check=True, capture_output=True)
        kinds = {path.stem: jsonschema.Draft7Validator(json.loads(path.read_text())) for path in Path(folder).glob("*.json")}
    check(kinds.pop("segue").schema == whole.schema and len(kinds) == 12, f"one schema for each of {len(kinds)} kinds and one for all")
    seen, broken = {}, 0
    folders = [ROOT, ROOT.parent / "shared" / "example"]
    for folder in folders:
        if not folder.exists():
            print(f"left out: {folder} is not here")
            continue
        for path, document in documents(folder):
            kind = next(iter(document))
            problem = next(iter(kinds[kind].iter_errors(document)), None)
            if problem is not None or not whole.is_valid(document):
                sys.exit(f"{path}: {kind} {document[kind]}: {problem and (list(problem.absolute_path), problem.message)}")
            seen[kind] = seen.get(kind, 0) + 1
            for place in places(document):
                if FREE & set(place[-2:]):
                    continue
                wrong = copy.deepcopy(document)
                at(wrong, place)["exits"] = "x"
                if kinds[kind].is_valid(wrong) or whole.is_valid(wrong):
                    sys.exit(f"{path}: {kind} {document[kind]}: an unknown key at {place} passes")
                broken += 1
    check(sum(seen.values()) >= 40, f"every document fits: {seen}")
    check(broken > 100, f"an unknown key is found in each of {broken} maps")
    playbook = {"playbook": "p", "purpose": "marketing", "on": {"model": "rfm"}, "do": [{"send": "t"}]}
    check(kinds["playbook"].is_valid(playbook), "a small playbook fits")
    for what, change in {
        "a wrong choice": {"purpose": "marketting"},
        "a key that is missing": {"do": None},
        "a list where one value belongs": {"priority": [1]},
        "a number below zero": {"priority": -1},
        "an id with a dash": {"playbook": "win-back"},
        "a duration with a space": {"on": {"model": "rfm", "for": "2 d"}},
        "yes for a share": {"experiment": {"holdout": "yes"}},
        "re-entry in other words": {"limits": {"reenter": "sometimes"}},
        "a step that is a text": {"do": ["send"]},
        "a wrong word deep down": {"do": [{"if": "a", "then": [{"task": {"title": "t", "for": "x", "due": "1d", "priority": "urgent"}}]}]},
        "a task without its title": {"do": [{"task": {"for": "x", "due": "1d"}}]},
    }.items():
        wrong = {key: value for key, value in {**playbook, **change}.items() if value is not None}
        check(not kinds["playbook"].is_valid(wrong) and not whole.is_valid(wrong), f"found: {what}")
    check(not kinds["connector"].is_valid({"connector": "c", "type": "smtp", "auth": {"password": "hunter2"}}), "found: a secret in a file")
    connectors = [document for folder in folders if folder.exists() for _, document in documents(folder) if "connector" in document]
    typed = {one["type"]: jsonschema.Draft7Validator(schema("connector", one["type"])) for one in connectors}
    for one in connectors:
        problem = next(iter(typed[one["type"]].iter_errors(one)), None)
        check(problem is None, f"connector {one['connector']} fits the schema of its type {problem and problem.message}")
    intercom = {"connector": "c", "type": "intercom", "auth": {"token": "env:T"}}
    validator = jsonschema.Draft7Validator(schema("connector", "intercom"))
    check(validator.is_valid(intercom), "a small connector fits")
    for what, change in {"another type": {"type": "smtp"}, "a secret of another type": {"auth": {"token": "env:T", "sign": "env:S"}},
                         "a secret that is missing": {"auth": {"admin": "env:A"}}, "no secrets": {"auth": None}}.items():
        wrong = {key: value for key, value in {**intercom, **change}.items() if value is not None}
        check(not validator.is_valid(wrong), f"found: {what}")
    for words in (["connector", "carrier_pigeon"], ["playbook", "intercom"]):
        check(subprocess.run([SEGUE, "schema", *words], capture_output=True).returncode == 64, f"there is no schema of {words}")
    check(subprocess.run([SEGUE, "schema", "plabook"], capture_output=True).returncode == 64, "an unknown kind is a wrong command line")


if __name__ == "__main__":
    main()
