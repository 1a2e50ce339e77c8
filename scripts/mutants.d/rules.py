#!/usr/bin/env python3
"""Breaks the shipped library on purpose, one small edit at a time, and tells which edits its tests catch.

  scripts/mutants rules [--list] [--only WORD] [--number N] [--all]      SEGUE=path names the program (default: build/release/segue)

Four kinds, as somebody would slip: a step is dropped, a segment is changed, a gate is loosened, a wait is shifted.  A fixed seed
draws N of all that there are (default 200); --all takes every one.  An edit that `segue check` refuses is no mutant.  What survives needs a reason in
tests/mutants/rules_survivors.md.  Ends with 1 when less than 95 % are caught or a survivor has no reason.
"""
import argparse, concurrent.futures, hashlib, json, os, re, shutil, subprocess, sys, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SEGUE = os.path.abspath(os.environ.get("SEGUE", os.path.join(ROOT, "build", "release", "segue")))
SEED = "larkfield"


def rule_files():
    for path, _, names in sorted(os.walk(os.path.join(ROOT, "rules"))):
        for name in sorted(names):
            if name.endswith(".yaml") and not name.endswith("_test.yaml"):
                yield os.path.relpath(os.path.join(path, name), ROOT)


def segments():
    """Model to the ids of its segments."""
    found = {}
    for file in rule_files():
        for document in open(os.path.join(ROOT, file)).read().split("\n---\n"):
            name = re.search(r"^model: (\w+)", document, re.M)
            if name:
                found[name.group(1)] = re.findall(r"^  - \{id: (\w+),", document, re.M)
    return found


def document_of(lines, at):
    """The kind and id of the document that a line stands in."""
    for index in range(at, -1, -1):
        match = re.match(r"(playbook|model|policy|offer|insight|funnel): (\w+)", lines[index])
        if match:
            return match.groups()
    return "", ""


def block(lines, at):
    """One past the last line that belongs to the list entry at `at`."""
    indent = len(lines[at]) - len(lines[at].lstrip())
    end = at + 1
    while end < len(lines) and lines[end].strip() and len(lines[end]) - len(lines[end].lstrip()) > indent:
        end += 1
    return end


def another(words, word, salt):
    """Another of the words, always the same one."""
    others = sorted(set(words) - {word}, key=lambda other: hashlib.sha256(f"{SEED}{salt}{other}".encode()).hexdigest())
    return others[0]


def shifted(match, by):
    number = int(match.group(2)) + by
    return None if number < 1 else f"{match.group(1)}{number}{match.group(3)}"


def dropped(lines, at):
    """Steps, whole."""
    if re.match(r" {2,}- (send|task|audience|set|track|wait|if|stop)\b", lines[at]):
        yield "step dropped", lines[:at] + lines[block(lines, at):]


def changed(lines, at, known):
    """Another segment of the same model, wherever one is named; or a rule of a model that says one number less or more."""
    line = lines[at]
    kind, name = document_of(lines, at)
    trigger = re.match(r"on: \{model: (\w+)", line)
    if trigger:
        words = known[trigger.group(1)]
        for match in re.finditer(r"(?<=[\[ ])(\w+)(?=[\],}])", line):
            if match.group(1) in words:
                yield "segment changed", line[:match.start()] + another(words, match.group(1), name) + line[match.end():]
    for model, words in known.items():
        for match in re.finditer(rf"\b{model} (?:is|is not|in|not in) ((?:\[[^\]]*\])|'\w+')", line):
            for word in re.finditer(r"'(\w+)'", match.group(1)):
                start = match.start(1) + word.start(1)
                yield "segment changed", line[:start] + another(words, word.group(1), name) + line[start + len(word.group(1)):]
    if kind == "model" and re.match(r"  - \{id: ", line):
        for match in re.finditer(r"(>= |<= |is )(\d+)\b(?! GBP)", line):
            for by in (-1, 1):
                yield "segment's line moved", line[:match.start(2)] + str(int(match.group(2)) + by) + line[match.end(2):]


def loosened(lines, at):
    """A gate that asks less: a condition, an exit, a pause before the next time, a topic, consent, a veto."""
    line = lines[at]
    kind, _ = document_of(lines, at)
    if kind == "playbook":
        if re.match(r"when: \S", line) or re.match(r"(exit|topic|takes_over): ", line):
            yield "gate loosened", None
        if re.match(r"  - ", line) and at and any(re.match(r"when:\s*$", lines[k]) and all(re.match(r"  - ", x) for x in lines[k + 1:at]) for k in range(at)):
            yield "gate loosened", None
        if re.match(r"purpose: (marketing|product|success)", line):
            yield "gate loosened", "purpose: service"
        match = re.match(r"(limits: \{.*reenter: )(never|after \d+d)(.*)", line)
        if match:
            yield "gate loosened", match.group(1) + "always" + match.group(3)
        match = re.match(r"(experiment: \{.*?)holdout: \d+%(?:, )?(.*)", line)
        if match and "variants" not in line:
            yield "gate loosened", None
        if re.match(r"    (met|unmet): stop", line):
            yield "gate loosened", None
        if re.match(r" +- if: ", line):
            yield "gate loosened", re.sub(r"if: .*", "if: since(customer.joined) > 0d or not exists(customer.joined)", line)
    if kind == "policy":
        match = re.match(r"deny: \[(.*)\]", line)
        words = match.group(1).split(", ") if match else []
        for word in words if len(words) > 1 else []:
            yield "gate loosened", "deny: [" + ", ".join(other for other in words if other != word) + "]"
        if re.match(r"when: ", line):
            yield "gate loosened", "when: customer.email is 'nobody'"
    if kind == "model" and re.match(r"settle: \{hold: [23]", line):
        yield "gate loosened", re.sub(r"hold: \d runs", "hold: 1 run", line)


def moved(lines, at):
    """A wait, a stay, a rhythm or an hour that is another one."""
    line = lines[at]
    for pattern in (r"(- wait: )(\d+)(d)", r"(\bfor: )(\d+)(d\})", r"(\bevery: )(\d+)(d,)"):
        match = re.search(pattern, line)
        if match:
            for by in (-1, 1):
                new = shifted(match, by)
                if new:
                    yield "wait shifted", line[:match.start()] + new + line[match.end():]
    match = re.search(r'(until_local: ")(\d\d)(:)', line)
    if match:
        yield "wait shifted", line[:match.start()] + f"{match.group(1)}{int(match.group(2)) + 1:02}{match.group(3)}" + line[match.end():]
    match = re.search(r"(on: \[)(\w{3})((?:, \w{3})*\])", line)
    if match and "wait:" in line:
        yield "wait shifted", line[:match.start()] + "on: [sun]" + line[match.end():]


def mutants():
    """Name, file, the file's lines, what changes."""
    known, found = segments(), []
    for file in rule_files():
        lines = open(os.path.join(ROOT, file)).read().split("\n")
        for at, line in enumerate(lines):
            if line.lstrip().startswith("#"):
                continue
            edits = [(what, new) for what, new in dropped(lines, at)]
            for what, text in [*changed(lines, at, known), *loosened(lines, at), *moved(lines, at)]:
                edits.append((what, lines[:at] + ([] if text is None else [text]) + lines[at + 1:]))
            for what, new in edits:
                kind, name = document_of(lines, at)
                instead = "gone" if len(new) < len(lines) else new[at].strip()
                number = hashlib.sha256(f"{SEED}|{name}|{what}|{line.strip()}|{instead}".encode()).hexdigest()
                found.append((number, f"{name} {number[:6]}: {what}", file, new, f"{line.strip()}  →  {instead}"))
    found.sort()
    return found


def verdict(mutant):
    """caught, survived, or no mutant."""
    _, name, file, lines, _ = mutant
    folder = tempfile.mkdtemp(prefix="segue-mutant-")
    try:
        for part in ("config", "rules", "templates"):
            shutil.copytree(os.path.join(ROOT, part), os.path.join(folder, part))
        open(os.path.join(folder, file), "w").write("\n".join(lines))
        run = lambda *words: subprocess.run([SEGUE, *words, "--workspace", folder], capture_output=True, text=True,
                                            env={**os.environ, "SEGUE_SIGN": "x"}, timeout=600)
        if run("check").returncode != 0:
            return "no mutant"
        beside = file.replace(".yaml", "_test.yaml")
        if os.path.exists(os.path.join(ROOT, beside)) and run("test", beside).returncode != 0:
            return "caught"      # The test beside the file first: it is the one that should say so.
        return "caught" if run("test").returncode != 0 else "survived"
    finally:
        shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    every = mutants()
    chosen = [mutant for mutant in (every if options.all else every[:options.number]) if options.only in mutant[1]]
    if options.list:
        for _, name, file, _, what in chosen:
            print(f"{name}\n    {file}: {what}")
        print(f"{len(chosen)} of {len(every)} edits")
        return 0
    reasons = open(os.path.join(ROOT, "tests/mutants/rules_survivors.md")).read()
    counts, without = {"caught": 0, "survived": 0, "no mutant": 0}, 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for mutant, word in zip(chosen, pool.map(verdict, chosen)):
            counts[word] += 1
            if word == "survived":
                said = mutant[1].split(":")[0] in reasons
                without += not said
                print(f"survived{'' if said else ', and nobody says why'}: {mutant[1]}\n    {mutant[2]}: {mutant[4]}", flush=True)
    whole = counts["caught"] + counts["survived"]
    share = 100 * counts["caught"] / whole if whole else 0
    print(f"{whole} mutants of the library, {counts['caught']} caught ({share:.1f} %), {counts['survived']} survived, {without} of them without a "
          f"reason; {counts['no mutant']} edits were refused by check")
    return 0 if share >= 95 and not without else 1


if __name__ == "__main__":
    sys.exit(main())
